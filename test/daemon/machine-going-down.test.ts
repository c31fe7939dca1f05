import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { isMachineGoingDown } from "../../src/daemon/machine-going-down.ts";
import { scratch } from "../support/aurora.ts";

test.each([
  ["the machine", "--system", {}],
  ["the manager of the user whose daemon it is", "--user", { MANAGERPID: "7" }],
])("%s is asked", async (_, manager, more) => {
  using directory = scratch();
  const script = `#!/bin/sh\n[ "$1" = ${manager} ] && echo stopping || echo running\n`;
  writeFileSync(join(directory.path, "systemctl"), script, { mode: 0o755 });
  const env = { PATH: `${directory.path}:/usr/bin:/bin`, NOTIFY_SOCKET: "@aurora-test", INVOCATION_ID: "1" };
  expect(await isMachineGoingDown({ ...env, ...more })).toBe(true);
});

test("nobody is asked where no systemd has started the daemon", async () => {
  expect(await isMachineGoingDown({ PATH: "/nowhere" })).toBe(false);
});
