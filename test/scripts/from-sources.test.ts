import { expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { scratch } from "../support/aurora.ts";

const root = join(import.meta.dir, "../..");

test.skipIf(!existsSync(`${root}/.tools/bin/bun`))(
  "scripts/aurora runs on the Bun of scripts/setup, whatever is on the PATH",
  () => {
    using directory = scratch();
    writeFileSync(`${directory.path}/bun`, "#!/bin/sh\necho another Bun\n", { mode: 0o755 });
    const { stdout, exitCode } = Bun.spawnSync([`${root}/scripts/aurora`, "version"], {
      env: { PATH: `${directory.path}:/usr/bin:/bin` },
    });
    expect(stdout.toString()).toStartWith("aurora ");
    expect(exitCode).toBe(0);
  },
);
