import { expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";

import { refuseBrokenProgram } from "../../src/daemon/refuse-broken-program.ts";
import { scratch } from "../support/aurora.ts";

const hint = "put a program that works in its place; the daemon runs on as it is";

test.each([
  ["one that does not say its version", "#!/bin/sh\nexit 3\n", '"version" of it ended with exit code 3'],
  ["another program", "#!/bin/sh\necho 1.0\n", "it is no Aurora"],
  ["one for another machine", "\u007fELF\u0001\u0000\u0000", "its format is not one this machine executes"],
  ["another program that speaks JSON", "#!/bin/sh\necho '{}'\n", "it is no Aurora"],
])("%s is refused", async (_, text, reason) => {
  using directory = scratch();
  const path = `${directory.path}/aurora`;
  writeFileSync(path, text, { mode: 0o755 });
  await expect(refuseBrokenProgram(path, Bun.env)).rejects.toMatchObject({
    code: "conflict",
    message: `cannot become "${path}": ${reason}`,
    hint,
  });
});

test("what is not there or may not be run is refused, and what says its version is not", async () => {
  using directory = scratch();
  const path = `${directory.path}/aurora`;
  await expect(refuseBrokenProgram(path, Bun.env)).rejects.toMatchObject({
    message: `cannot become "${path}": no such file or directory`,
  });
  writeFileSync(path, '#!/bin/sh\n[ "$*" = "version --json" ] && echo \'{"version":"9.9.9"}\'\n');
  await expect(refuseBrokenProgram(path, Bun.env)).rejects.toMatchObject({
    message: `cannot become "${path}": permission denied`,
  });
  chmodSync(path, 0o755);
  await refuseBrokenProgram(path, Bun.env);
});
