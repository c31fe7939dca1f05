import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, closeSync, realpathSync } from "node:fs";
import { join } from "node:path";

import { prepareConfinement } from "../../../src/process/confinement/confine.ts";
import { probeKernel } from "../../../src/process/confinement/kernel.ts";
import { type Policy } from "../../../src/process/confinement/policy.ts";
import { spawnConfined } from "../../../src/process/confinement/spawn-confined.ts";
import { findProcesses } from "../../../src/process/tree.ts";
import { openPipe } from "../../../src/system/pipe.ts";
import { randomHex } from "../../../src/system/random-id.ts";
import { scratch } from "../../support/aurora.ts";
import { makeHome, policyIn } from "./attacks/attack-range.ts";

const features = probeKernel();
const isPossible = features.processNamespace === null;

let place: ReturnType<typeof scratch>;
let home: string;
beforeAll(() => {
  place = scratch();
  home = realpathSync(place.path);
  chmodSync(home, 0o711);
  makeHome(home);
});
afterAll(() => place[Symbol.dispose]());

/** Starts a shell script; its first line of output can be waited for. */
function start(script: string, policy: Policy = policyIn(home)) {
  const marker = randomHex(8);
  const pipe = openPipe();
  const { child, failure, dispose } = spawnConfined(
    {
      argv: ["sh", "-c", script],
      cwd: join(home, "data"),
      env: { PATH: "/usr/bin:/bin", AURORA_RUN_ID: marker },
      stdin: "ignore",
      stdout: pipe.write,
      stderr: "inherit",
      newSession: true,
    },
    prepareConfinement(policy, features, { required: true }),
  );
  closeSync(pipe.write);
  const output = Bun.file(pipe.read).stream().getReader();
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
  const tree = () => findProcesses({ environment: { AURORA_RUN_ID: marker } }).map(({ command }) => command);
  return { child, failure, dispose, line, tree, [Symbol.dispose]: dispose };
}

/** A daemon as they are written: forked twice, in a session of its own, without the environment it came with. */
const daemon = "(setsid env -i sh -c 'sleep 1000 & wait' </dev/null >/dev/null 2>&1 &); ";

describe.skipIf(!isPossible)("alone in a pid namespace", () => {
  test("a command keeps its exit code", async () => {
    using started = start("exit 42");
    expect(await started.child.exited).toBe(42);
    using other = start("exit 125");
    expect(await other.child.exited).toBe(125);
    expect(other.failure()).toBeUndefined();
  });

  test.each(["SIGTERM", "SIGKILL", "SIGSEGV", "SIGUSR1", "SIGPIPE"] as const)(
    "a command that dies of %s is seen to",
    async (signal) => {
      using started = start(`kill -${signal.slice(3)} $$`);
      await started.child.exited;
      expect(started.child.signalCode).toBe(signal);
    },
  );

  test.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"] as const)(
    "%s to the process that was spawned reaches the command, once",
    async (signal) => {
      using started = start(
        `trap 'n=$((n+1))' ${signal.slice(3)}; trap 'echo $n; exit' WINCH; echo ready; while :; do sleep 0.01; done`,
      );
      expect(await started.line()).toBe("ready");
      started.child.kill(signal);
      started.child.kill("SIGWINCH");
      expect(await started.line()).toBe("1");
      expect(await started.child.exited).toBe(0);
    },
  );

  test("a command without a handler dies of the signal, though it is the first of its namespace", async () => {
    using started = start("echo ready; exec sleep 1000");
    await started.line();
    started.child.kill("SIGTERM");
    await started.child.exited;
    expect(started.child.signalCode).toBe("SIGTERM");
  });

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

  test("cannot end what is above it", async () => {
    using started = start("kill -KILL 1 2>/dev/null; kill -TERM 1 2>/dev/null; echo still here");
    expect(await started.line()).toBe("still here");
  });

  test("what it leaves behind ends with it", async () => {
    using started = start(`${daemon}echo left`);
    expect(await started.line()).toBe("left");
    expect(await started.child.exited).toBe(0);
    expect(started.tree()).toEqual([]);
    // The stream ends, though the daemon would have held it open.
    expect(await started.line()).toBe("");
  });

  test("all of it ends when the process that was spawned is killed", async () => {
    using started = start(`${daemon}echo ready; exec sleep 1000`);
    await started.line();
    expect(started.tree().length).toBeGreaterThan(2);
    started.child.kill("SIGKILL");
    await started.child.exited;
    // Its end is not waited for by the kernel: the init gets a signal.
    while (started.tree().length > 0) await Bun.sleep(1);
  });

  test("its memory and time are those of the command", async () => {
    using started = start("exec head -c 300000000 /dev/zero | tail -c 50000000 >/dev/null");
    await started.child.exited;
    expect(started.child.resourceUsage()?.maxRSS).toBeGreaterThan(50_000_000);
  });

  test("is not used where signals are to reach other starts", async () => {
    using started = start("echo $$", { ...policyIn(home), signals: "user" });
    expect(await started.line()).toBe(String(started.child.pid));
  });
});
