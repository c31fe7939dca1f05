/** A flush that fails where nothing can be taken back any more: what the command says then. Needs a C compiler and ptrace. */
import { afterAll, expect, test } from "bun:test";

import { buildInjector, endTracer, runInjected } from "../../scripts/crash/injector.ts";
import { auroraCommand, scratch } from "../support/aurora.ts";
import { testHome } from "../support/test-home.ts";

const EIO = 5;
const tools = scratch();
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
