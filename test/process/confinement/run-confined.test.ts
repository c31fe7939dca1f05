import { afterAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { prepareConfinement } from "../../../src/process/confinement/confine.ts";
import { type KernelFeatures, probeKernel, withReExec } from "../../../src/process/confinement/kernel.ts";
import { run, type RunOptions } from "../../../src/process/run.ts";
import { openLibc } from "../../../src/system/libc.ts";
import { processIds, readCommandLine } from "../../../src/system/process-table.ts";
import { confinedHome, policyIn } from "./confined-home.ts";

const PR_SET_CHILD_SUBREAPER = 36;

const features = probeKernel();
const isConfinable = features.launcher === null && features.landlock === null;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const place = confinedHome();
const home = place.path;
afterAll(() => place[Symbol.dispose]());

test.skipIf(!isConfinable)("a command that kills its reaper leaves nothing behind either", async () => {
  const kernel = { ...features, processNamespace: "switched off for this test" };
  const policy = { ...policyIn(home), signals: "user" as const, processNamespace: true };
  const seconds = 3_000_000 + process.pid;
  const { signal } = await run({
    argv: ["sh", "-c", `(setsid sleep ${seconds} > /dev/null 2>&1 &); kill -KILL $PPID; sleep 300`],
    cwd: join(home, "data"),
    env: { PATH: "/usr/bin:/bin" },
    confinement: prepareConfinement(policy, kernel, { required: true }),
  });
  expect(signal).toBe("SIGKILL");
  expect(processIds().filter((pid) => readCommandLine(pid) === `sleep ${seconds}`)).toEqual([]);
});

const kernels: [string, KernelFeatures][] = [
  ["with all namespaces", features],
  ["below a reaper", { ...features, processNamespace: "switched off for this test" }],
  ["by Aurora itself", withReExec(features)],
];

/** A supervisor that was tried in this process before has made it the parent of every orphan below it, and reaps none any more. */
function endSubreaper(): void {
  const { prctl } = openLibc({ prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" } });
  prctl(PR_SET_CHILD_SUBREAPER, 0n, 0n, 0n, 0n);
}

describe.skipIf(!isConfinable).each(kernels)("run, confined %s", (_name, kernel) => {
  const sh = async (script: string, options: Partial<RunOptions> = {}) =>
    await run({
      argv: ["sh", "-c", script],
      cwd: join(home, "data"),
      env: { PATH: "/usr/bin:/bin" },
      confinement: prepareConfinement(policyIn(home), kernel, { required: true }),
      ...options,
    });

  test("has the shape of every run", async () => {
    const { rc, signal, timeout, stdout, stderr, maxRssBytes, cpuMs } = await sh(
      "echo out; echo err >&2; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3",
    );
    expect({ rc, signal, timeout, stdout: text(stdout), stderr: text(stderr) }).toEqual({
      rc: 3,
      signal: null,
      timeout: false,
      stdout: "out\n",
      stderr: "err\n",
    });
    expect(maxRssBytes).toBeGreaterThan(500_000);
    expect(cpuMs).toBeGreaterThan(0);
  });

  test("a command that ends with 125 is no failure of the confinement", async () => {
    expect((await sh("exit 125")).rc).toBe(125);
  });

  test("a command that cannot be entered is one", async () => {
    await expect(sh("true", { cwd: join(home, "gone") })).rejects.toMatchObject({ code: "exec-failed" });
  });

  /** Aborts when the script has said something, so that its traps are set, however busy the machine is. */
  const aborted = async (script: string, graceMs: number) => {
    const controller = new AbortController();
    const { signal } = controller;
    return await sh(script, { signal, graceMs, onOutput: () => controller.abort() });
  };

  test("an abort sends the stop signal once", async () => {
    const stops =
      "while [ -z $n ]; do sleep 0.01; done; for i in 1 2 3 4 5; do sleep 0.05; done; echo $n; exit 7";
    const result = await aborted(`trap 'n=$((n+1))' TERM; echo up; ${stops}`, 60_000);
    expect(result).toMatchObject({ rc: -1, signal: null, aborted: true });
    expect(text(result.stdout)).toBe("up\n1\n");
  });

  test("who does not listen to it is killed", async () => {
    const result = await aborted("trap '' TERM; echo up; while :; do sleep 0.01; done", 50);
    expect(result).toMatchObject({ rc: -1, signal: "SIGKILL", aborted: true });
  });

  test("the child can open /dev/stdout and /dev/stderr", async () => {
    const { stdout, stderr } = await sh("echo out > /dev/stdout; echo err > /dev/stderr");
    expect([text(stdout), text(stderr)]).toEqual(["out\n", "err\n"]);
  });

  test("input arrives, and can be opened as /dev/stdin", async () => {
    const { stdout } = await sh("cat; cat /dev/stdin", { stdin: Buffer.from("words") });
    expect(text(stdout)).toBe("wordswords");
  });

  test("what the environment has for the runtime reaches the command and nothing before it", async () => {
    const hostile = { BUN_OPTIONS: "--no-such-option", LD_PRELOAD: "/no/such.so", BUN_BE_BUN: "1" };
    const { rc, stdout } = await sh("echo $BUN_OPTIONS $BUN_BE_BUN", {
      env: { PATH: "/usr/bin:/bin", ...hostile },
    });
    expect({ rc, stdout: text(stdout) }).toEqual({ rc: 0, stdout: "--no-such-option 1\n" });
  });

  test("what it leaves behind has ended when it has", async () => {
    const seconds = 2_000_000 + process.pid;
    await sh(`(setsid sleep ${seconds} </dev/null >/dev/null 2>&1 &); true`);
    expect(processIds().filter((pid) => readCommandLine(pid) === `sleep ${seconds}`)).toEqual([]);
  });

  test("many at once: none stays behind", async () => {
    endSubreaper();
    await sh("true");
    const before = readdirSync("/proc/self/fd").length;
    // A worker has the children of the files that it has run before.
    const children = () => readFileSync(`/proc/self/task/${process.pid}/children`, "latin1").split(" ");
    const childrenBefore = new Set(children());
    const all = Array.from({ length: 40 }, (_, n) => n);
    const results = await Promise.all(all.map(async (n) => await sh(`echo ${n}; exit ${n}`)));
    expect(results.map(({ rc, stdout }) => [rc, text(stdout)])).toEqual(all.map((n) => [n, `${n}\n`]));
    // Two more, once, for the namespaces that all share. The runtime closes a stream when it gets round to it.
    while (readdirSync("/proc/self/fd").length > before + 2) await Bun.sleep(1);
    expect(children().filter((child) => !childrenBefore.has(child)).length).toBeLessThanOrEqual(1);
  });
});
