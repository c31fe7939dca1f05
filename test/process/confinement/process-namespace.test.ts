import { afterAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";

import { type KernelFeatures, probeKernel } from "../../../src/process/confinement/kernel.ts";
import { type Policy } from "../../../src/process/confinement/policy.ts";
import { processIds, readCommandLine } from "../../../src/system/process-table.ts";
import { confinedHome, policyIn, startScript } from "./confined-home.ts";

const features = probeKernel();
const isPossible = features.processNamespace === null;

const place = confinedHome();
const home = place.path;
afterAll(() => place[Symbol.dispose]());

/** Starts a shell script, and hands out its output line by line. */
function start(script: string, policy: Policy = policyIn(home), kernel: KernelFeatures = features) {
  const { child, failure, memory, dispose, output: descriptor } = startScript(home, script, policy, kernel);
  const output = Bun.file(descriptor).stream().getReader();
  let rest = "";
  const line = async () => {
    while (!rest.includes("\n")) {
      const { done, value } = await output.read();
      if (done) break;
      rest += new TextDecoder().decode(value);
    }
    const [first = "", ...others] = rest.split("\n");
    rest = others.join("\n");
    return first;
  };
  return { child, failure, memory, dispose, line, [Symbol.dispose]: dispose };
}

/** A daemon as they are written: forked twice, in a session of its own, without the environment it came with. */
const daemon = (seconds: number) =>
  `(setsid env -i sh -c 'sleep ${seconds} & wait' </dev/null >/dev/null 2>&1 &); `;
/** A length of sleep by which this test's own daemon is known. */
const unusual = () => 1_000_000 + (randomBytes(4).readUInt32LE() % 1_000_000);
const sleepers = (seconds: number) =>
  processIds().filter((pid) => readCommandLine(pid) === `sleep ${seconds}`).length;
/** Until it is there: what a shell puts in the background comes when it comes. */
const daemonIsThere = async (seconds: number) => {
  while (sleepers(seconds) === 0) await Bun.sleep(1);
};

describe.each([
  ["alone in a pid namespace", features, isPossible],
  [
    "below a reaper",
    { ...features, processNamespace: "switched off for this test" },
    features.launcher === null,
  ],
] as const)("%s", (_name, kernel, canRun) => {
  const begin = (script: string) => start(script, policyIn(home), kernel);

  test.skipIf(!canRun)("a command keeps its exit code", async () => {
    using started = begin("exit 42");
    expect(await started.child.exited).toBe(42);
    using other = begin("exit 125");
    expect(await other.child.exited).toBe(125);
    expect(other.failure()).toBeUndefined();
  });

  test.skipIf(!canRun).each(["SIGTERM", "SIGKILL", "SIGSEGV", "SIGUSR1", "SIGPIPE"] as const)(
    "a command that dies of %s is seen to",
    async (signal) => {
      using started = begin(`kill -${signal.slice(3)} $$`);
      await started.child.exited;
      expect(started.child.signalCode).toBe(signal);
    },
  );

  test.skipIf(!canRun).each(["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"] as const)(
    "%s to the process that was spawned reaches the command, once",
    async (signal) => {
      using started = begin(
        `trap 'n=$((n+1))' ${signal.slice(3)}; trap 'echo $n; exit' WINCH; echo ready; while :; do sleep 0.01; done`,
      );
      expect(await started.line()).toBe("ready");
      started.child.kill(signal);
      started.child.kill("SIGWINCH");
      expect(await started.line()).toBe("1");
      expect(await started.child.exited).toBe(0);
    },
  );

  test.skipIf(!canRun)("a signal to the group of the process that was spawned does, too", async () => {
    using started = begin(
      "trap 'n=$((n+1))' TERM; trap 'echo $n; exit' WINCH; echo ready; while :; do sleep 0.01; done",
    );
    await started.line();
    process.kill(-started.child.pid, "SIGTERM");
    started.child.kill("SIGWINCH");
    expect(await started.line()).toBe("1");
  });

  test.skipIf(!canRun)(
    "a command without a handler dies of the signal, though it is the first of its namespace",
    async () => {
      using started = begin("echo ready; exec sleep 1000");
      await started.line();
      started.child.kill("SIGTERM");
      await started.child.exited;
      expect(started.child.signalCode).toBe("SIGTERM");
    },
  );

  test.skipIf(!canRun)("what it leaves behind ends with it", async () => {
    const seconds = unusual();
    using started = begin(`trap exit TERM; ${daemon(seconds)}while :; do sleep 0.01; done`);
    await daemonIsThere(seconds);
    started.child.kill();
    expect(await started.child.exited).toBe(0);
    expect(sleepers(seconds)).toBe(0);
    // The stream ends, though the daemon would have held it open.
    expect(await started.line()).toBe("");
  });

  test.skipIf(!canRun)("its memory and time are those of the command", async () => {
    using large = begin("head -c 300000000 /dev/zero | tail -c 50000000 >/dev/null");
    await large.child.exited;
    expect(large.memory()).toEqual({ peakBytes: expect.any(Number), isTooMuch: false });
    expect(large.memory()?.peakBytes).toBeGreaterThan(50_000_000);
    // This program has some 50 MB itself, which the kernel counts for whom it has started.
    using small = begin("true");
    await small.child.exited;
    expect(small.memory()?.peakBytes).toBeLessThan(20_000_000);
  });
});

describe.skipIf(!isPossible)("alone in a pid namespace, a command", () => {
  test("sees itself and no process outside", async () => {
    using started = start("cd /proc; for d in [0-9]*; do read -r comm <$d/comm; echo $d $comm; done");
    expect([await started.line(), await started.line(), await started.line()]).toEqual([
      "1 aurora-init",
      "2 sh",
      "",
    ]);
  });

  test("leads a session of its own inside", async () => {
    using started = start('set -- $(cat /proc/$$/stat); echo "$1 $5 $6"');
    expect(await started.line()).toBe("2 2 2");
  });

  test("all of it ends when the process that was spawned is killed", async () => {
    const seconds = unusual();
    using started = start(`${daemon(seconds)}exec sleep 1000`);
    await daemonIsThere(seconds);
    started.child.kill("SIGKILL");
    await started.child.exited;
    // That is not waited for: a signal follows from it.
    while (sleepers(seconds) > 0) await Bun.sleep(1);
  });

  test("cannot end what is above it", async () => {
    using started = start("kill -KILL 1 2>/dev/null; kill -TERM 1 2>/dev/null; echo still here");
    expect(await started.line()).toBe("still here");
  });

  test("is not used where signals are to reach other starts", async () => {
    using started = start("echo $$", { ...policyIn(home), signals: "user" });
    expect(await started.line()).toBe(String(started.child.pid));
  });
});
