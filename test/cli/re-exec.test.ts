import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { prepareConfinement } from "../../src/process/confinement/confine.ts";
import { probeKernel, withReExec } from "../../src/process/confinement/kernel.ts";
import { confinedHome, policyIn } from "../process/confinement/confined-home.ts";
import { aurora, auroraCommand, collect } from "../support/aurora.ts";

const features = probeKernel();
const isConfinable = features.arch !== null && features.landlock === null;

/** The program in the place of the launcher: `aurora __exec IMAGE`. */
describe.skipIf(!isConfinable)("aurora __exec", () => {
  let place: ReturnType<typeof confinedHome>;
  let home: string;
  beforeAll(() => {
    place = confinedHome();
    home = place.path;
  });
  afterAll(() => place[Symbol.dispose]());

  test("becomes the command, confined", async () => {
    const { launch } = prepareConfinement(policyIn(home), withReExec(features), { required: true });
    const script = `echo $0 $A; echo x > ${home}/data/inside; echo x > ${home}/outside; exit 7`;
    const file = "/bin/sh";
    const argv = ["zero", "-c", script, "zero"];
    const command = { file, argv, cwd: "/", env: { A: "of its own" }, hasShellFallback: false };
    using launched = launch?.(command);
    if (launched === undefined) throw new Error("not confined");
    const words = launched.argv.slice(launched.argv.indexOf("__exec"));
    const child = Bun.spawn([...auroraCommand, ...words], {
      cwd: "/",
      env: {},
      stdio: ["ignore", "pipe", "pipe", ...launched.descriptors],
    });
    const { stdout, stderr, exitCode } = await collect(
      child as unknown as Bun.Subprocess<"ignore", "pipe", "pipe">,
    );
    expect(launched.failure()).toBeUndefined();
    expect({ stdout, stderr, exitCode }).toEqual({
      stdout: "zero of its own\n",
      stderr: `zero: 1: cannot create ${home}/outside: Permission denied\n`,
      exitCode: 7,
    });
    expect(await Bun.file(join(home, "data/inside")).text()).toBe("x\n");
  });

  test("without an image is a failure, and no command", async () => {
    expect(await aurora(["__exec", "/no/such/image"])).toEqual({ stdout: "", stderr: "", exitCode: 125 });
  });
});
