/** A disk that fails where nothing can be taken back any more: what the command says then. Needs a C compiler and ptrace. */
import { afterAll, expect, test } from "bun:test";

import { buildInjector, endTracer, type Inject, runInjected } from "../../scripts/crash/injector.ts";
import { auroraCommand, scratch } from "../support/aurora.ts";
import { testHome } from "../support/test-home.ts";

const EIO = 5;
const ENOSPC = 28;
const tools = scratch();
type Home = ReturnType<typeof testHome>;

const injector = buildInjector(tools.path);
afterAll(() => tools[Symbol.dispose]());

test.skipIf("reason" in injector)(
  "the directory of state.db at a commit: the change is made, and it is not called durable",
  async () => {
    await using t = testHome();
    await t.run(["ns", "register", "app"]);
    const register = async (fault: { mode: "count" } | { mode: "error"; at: number; errno: number }) => {
      const argv = [...auroraCommand, "ns", "register", "app", "--meta", '{"port":1}'];
      const { path } = injector as { path: string };
      const run = await runInjected(path, argv, t.home, tools.path, fault);
      endTracer(run.tracer);
      return run;
    };
    const { points } = await register({ mode: "count" });
    const at = points.findLastIndex((call) => call === "fsync .") + 1;
    const { exitCode, stdout, stderr } = await register({ mode: "error", at, errno: EIO });
    expect(stdout).toBe("");
    expect(stderr.replaceAll(t.home, "HOME")).toBe(
      'error[io]: the change is made, but the directory of "state.db" cannot be flushed\n' +
        "hint: a power cut may undo it: look after the disk, then see aurora list and aurora verify\n",
    );
    expect(exitCode).toBe(1);
    expect((await t.json(["ns", "get", "app"])).value).toMatchObject({ meta: { port: 1 }, revision: 3 });
  },
);

test.skipIf("reason" in injector)(
  "a disk that is full from the clean-up on: the install is done, and what is left is put off",
  async () => {
    const install = async (t: Home, fault: Inject) => {
      const { path } = injector as { path: string };
      const argv = [...auroraCommand, "install", `${t.packs}/app`, "--quiet"];
      const run = await runInjected(path, argv, t.home, tools.path, fault);
      endTracer(run.tracer);
      return run;
    };
    const prepare = async () => {
      const t = testHome();
      t.write({ id: "app", install: null, start: null, stop: null, health: null });
      await t.run(["ns", "register", "other"]);
      return t;
    };
    await using trial = await prepare();
    const { points } = await install(trial, { mode: "count" });
    await using t = await prepare();
    // Not even what was there before can be written again, as on a file system that copies on write.
    const at = points.findLastIndex((call) => call.startsWith("pwrite64 state.db ")) + 1;
    const { exitCode, stdout, stderr } = await install(t, { mode: "error-on", at, errno: ENOSPC });
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "committed\napp 1.0.0, generation 1\n" });
    expect(stderr).toBe("");
    expect((await t.json(["list"])).value).toMatchObject([{ version: "1.0.0", generation: 1 }]);
    expect((await t.run(["recover"])).exitCode).toBe(0);
  },
);
