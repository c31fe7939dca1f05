import { type Series } from "./check.ts";

/** What is nothing but calls of the operating system: their numbers, and what they are given and return, are another on each processor. */
const FILES = ["system/*", "process/confinement/*"];
const PATIENCE_MS = 7_200_000;

/**
 * The project's own tests, on this machine's kernel and processor, of the compiled program where they look at it from outside.
 * In place of a compiler the machine has the one program that is asked of it.
 */
export const tests: Series = {
  name: "tests",
  checks: FILES.map((files) => ({
    name: `test/${files}`,
    patienceMs: PATIENCE_MS,
    script: `cd /srv/aurora; export AURORA_BINARY=/usr/local/bin/aurora PATH="/srv/aurora/.tools/bin:$PATH"
      bun test --timeout 600000 test/${files}.test.ts >/tmp/tests 2>&1; grep -E "^ *[0-9]+ (pass|skip|fail|error)" /tmp/tests
      grep -E -B 40 "^\\(fail\\)" /tmp/tests | tail -n 400`,
    expected: /^ *\d+ pass\n( *\d+ skip\n)? *0 fail$/,
  })),
};
