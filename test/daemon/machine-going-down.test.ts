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

test("a machine that is busy with its end may take its time to say so", async () => {
  using directory = scratch();
  writeFileSync(join(directory.path, "systemctl"), "#!/bin/sh\nsleep 2.5\necho stopping\n", { mode: 0o755 });
  const PATH = `${directory.path}:/usr/bin:/bin`;
  expect(await isMachineGoingDown({ PATH, NOTIFY_SOCKET: "@aurora-test", INVOCATION_ID: "1" })).toBe(true);
});

test("nobody is asked where no systemd has started the daemon", async () => {
  expect(await isMachineGoingDown({ PATH: "/nowhere" })).toBe(false);
});
