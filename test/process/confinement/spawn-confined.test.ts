import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { type Confinement, prepareConfinement } from "../../../src/process/confinement/confine.ts";
import { nothing, probeKernel } from "../../../src/process/confinement/kernel.ts";
import { spawnConfined } from "../../../src/process/confinement/spawn-confined.ts";
import { confinedHome, policyIn } from "./confined-home.ts";

const features = probeKernel();
const place = confinedHome();
const home = place.path;
afterAll(() => place[Symbol.dispose]());

async function run(confinement: Confinement, ...argv: string[]) {
  const out = join(home, "logs", "out");
  writeFileSync(out, "");
  using started = spawnConfined(
    {
      argv,
      cwd: join(home, "tree"),
      env: { PATH: "/usr/bin:/bin" },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
      newSession: true,
    },
    confinement,
  );
  const code = await started.child.exited;
  const failure = started.failure();
  if (failure) throw failure;
  return code;
}

describe.each([
  ["confined", features],
  ["where there is nothing to confine with", nothing(null, "it needs Linux")],
] as const)("spawnConfined, %s", (_name, kernel) => {
  const confinement = () => prepareConfinement(policyIn(home), kernel, { required: false });

  test("finds commands in PATH and beside the working directory", async () => {
    writeFileSync(join(home, "tree", "own"), "#!/bin/sh\nexit 7\n", { mode: 0o755 });
    expect(await run(confinement(), "true")).toBe(0);
    expect(await run(confinement(), "./own")).toBe(7);
    await expect(run(confinement(), "no-such-command")).rejects.toMatchObject({ code: "command-not-found" });
  });

  test("runs a script without #! by sh", async () => {
    writeFileSync(join(home, "tree", "plain"), 'echo "$1" > ../data/by-sh\n', { mode: 0o755 });
    expect(await run(confinement(), "./plain", "word")).toBe(0);
    expect(readFileSync(join(home, "data", "by-sh"), "utf8")).toBe("word\n");
  });

  test("has a session of its own where that is asked for", async () => {
    const script = 'test "$(ps -o sid= -p $$ | tr -d " ")" = $$';
    expect(await run(confinement(), "sh", "-c", script)).toBe(0);
  });
});

test.skipIf(features.launcher !== null)(
  "what cannot be put into its control group is not started",
  async () => {
    const confinement = prepareConfinement(policyIn(home), features, { required: true });
    let isClosed = false;
    const openGroup = () => ({ directory: home, kill: () => false, close: () => void (isClosed = true) });
    const started = run({ ...confinement, openGroup }, "touch", join(home, "data", "by-touch"));
    await expect(started).rejects.toMatchObject({
      code: "denied",
      message: expect.stringMatching(/^cannot confine "touch": cannot start its launcher: /),
    });
    expect(isClosed).toBe(true);
    expect(existsSync(join(home, "data", "by-touch"))).toBe(false);
  },
);
