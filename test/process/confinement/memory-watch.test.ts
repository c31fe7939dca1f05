/** The limit of memory without a control group: whoever waits for a command looks at what all of it has taken. */
import { afterAll, describe, expect, test } from "bun:test";

import { type KernelFeatures, probeKernel } from "../../../src/process/confinement/kernel.ts";
import { type Policy } from "../../../src/process/confinement/policy.ts";
import { processIds, readCommandLine } from "../../../src/system/process-table.ts";
import { randomHex } from "../../../src/system/random-id.ts";
import { confinedHome, policyIn, startScript } from "./confined-home.ts";

const features: KernelFeatures = { ...probeKernel(), controlGroup: "switched off for this test" };
const MIB = 1024 ** 2;
const TIMEOUT_MS = 60_000;

const place = confinedHome();
const home = place.path;
afterAll(() => place[Symbol.dispose]());

/** How a shell script ends, and what it has printed, where all of it may have 64 MiB. */
async function end(script: string, kernel = features, more: Partial<Policy> = {}) {
  const policy = { ...policyIn(home, {}, { memory_bytes: 64 * MIB }), ...more };
  using started = startScript(home, script, policy, kernel);
  const stdout = await Bun.file(started.output).text();
  await started.child.exited;
  const { exitCode: code, signalCode: signal } = started.child;
  return { code, signal, stdout, isTooMuch: started.memory()?.isTooMuch };
}

/** A process that holds so much, forever or for as long as it takes to copy so many blocks. */
const hold = (mib: number, blocks = 1_000_000) =>
  `dd if=/dev/zero of=/dev/null bs=${mib}M count=${blocks} 2> /dev/null`;
const killed = { code: null, signal: "SIGKILL", stdout: "begun\n", isTooMuch: true } as const;

describe.each([
  ["in a pid namespace", features, features.processNamespace === null],
  [
    "below a reaper",
    { ...features, processNamespace: "switched off for this test" },
    features.launcher === null && features.landlock === null,
  ],
] as const)("%s", (_name, kernel, canRun) => {
  test.skipIf(!canRun)(
    "what takes too much is killed",
    async () => {
      expect(await end(`echo begun; ${hold(200)}; echo ended`, kernel)).toEqual(killed);
    },
    TIMEOUT_MS,
  );

  test.skipIf(!canRun)(
    "its processes count together, also what is below another process, or has left its session",
    async () => {
      // None of the three takes as much as is allowed, and two of them do not either.
      const [below, away] = [`sh -c '${hold(28)}; true'`, `(setsid sh -c '${hold(28)}; true' &)`];
      expect(await end(`echo begun; ${hold(28)} & ${below} & ${away}; wait`, kernel)).toEqual(killed);
    },
    TIMEOUT_MS,
  );

  test.skipIf(!canRun)(
    "however deep they are, up to some hundred, and then none of them is left",
    async () => {
      const mark = randomHex(8);
      // Each waits for the next one, and the last one takes too much.
      const chain = `n() { if [ $1 -eq 0 ]; then ${hold(200, 5000)}; else (n $(($1 - 1)); true); fi; }; n 300`;
      expect(await end(`: ${mark}; echo begun; ${chain}`, kernel)).toEqual(killed);
      expect(processIds().filter((pid) => readCommandLine(pid)?.includes(mark))).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test.skipIf(!canRun)(
    "what stays below it ends as it would, and shared pages count once or not at all",
    async () => {
      expect(await end(`echo begun; ${hold(30, 200)}; echo ended; exit 3`, kernel)).toEqual({
        code: 3,
        signal: null,
        stdout: "begun\nended\n",
        isTooMuch: false,
      });
      // A hundred shells have the same pages of the same program.
      const many = `for i in $(seq 100); do sleep 1 & done; wait; echo ended`;
      expect(await end(many, kernel)).toEqual({ code: 0, signal: null, stdout: "ended\n", isTooMuch: false });
    },
    TIMEOUT_MS,
  );
});

const dataSize = (stdout: string) => /^Max data size +(\S+)/m.exec(stdout)?.[1];

test.skipIf(features.launcher !== null || features.landlock !== null)(
  "a limit of the kernel for each process leaves room for what runtimes reserve, and is there only where nobody looks",
  async () => {
    const shown = "cat /proc/self/limits";
    expect(dataSize((await end(shown)).stdout)).toBe("unlimited");
    expect(dataSize((await end(shown, features, { signals: "user" })).stdout)).toBe(
      String(64 * MIB + 4096 * MIB),
    );
  },
);
