import { type Series } from "./check.ts";

/** What depends on the kernel, the processor or the file system. */
const FOLDERS = ["system", "process", "vfs", "supervisor", "store", "packs"];
const PATIENCE_MS = 7_200_000;

/**
 * The project's own tests, on this machine's kernel and processor, of the compiled program where they look at it from outside.
 * In place of a compiler the machine has the one program that is asked of it.
 */
export const tests: Series = {
  name: "tests",
  checks: FOLDERS.map((folder) => ({
    name: `test/${folder}`,
    patienceMs: PATIENCE_MS,
    script: `cd /srv/aurora; export AURORA_BINARY=/usr/local/bin/aurora PATH="/srv/aurora/.tools/bin:$PATH"
      bun test --timeout 600000 test/${folder} >/tmp/tests 2>&1; grep -E "^ *[0-9]+ (pass|skip|fail|error)" /tmp/tests
      grep -E -B 40 "^\\(fail\\)" /tmp/tests | tail -n 400`,
    expected: /^ *\d+ pass\n( *\d+ skip\n)? *0 fail$/,
  })),
};
