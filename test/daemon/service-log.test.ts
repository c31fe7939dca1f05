/** The log of a supervised service is written by the service itself: it costs the daemon nothing, and loses nothing. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";

import { serviceLogs } from "../../src/process/service-log.ts";
import { auroraCommand } from "../support/aurora.ts";
import { canTrace } from "../support/can-trace.ts";
import { eventually } from "../support/eventually.ts";
import { daemonPid, processesOf } from "../support/test-home.ts";
import { wholeLog } from "../support/whole-log.ts";
import { serviceHome, simplePack } from "./service-home.ts";

const LINES = 60_000;
const LINE_BYTES = 100;

test("no byte of what a service prints goes through the daemon: its stdout is the log", async () => {
  await using t = serviceHome();
  t.write(
    simplePack({
      start: `while [ ! -e data/go ]; do sleep 0.01; done
seq -f %0${LINE_BYTES - 1}.0f 1 ${LINES}
touch data/done
exec sleep 300`,
    }),
  );
  await t.run(["install", "app"]);
  const log = serviceLogs(`${t.home}/logs/app`).stdout;
  const file = ({ dev, ino }: { dev: number; ino: number }) => `${dev}:${ino}`;
  // Of a pid namespace's own processes, the one outside has closed its streams.
  const outputs = processesOf(t.home)
    .map((pid) => statSync(`/proc/${pid}/fd/1`, { throwIfNoEntry: false }))
    .filter((stat) => stat !== undefined);
  expect(outputs.length).toBeGreaterThan(0);
  expect(new Set(outputs.map(file))).toEqual(new Set([file(statSync(log))]));
  const daemon = daemonPid(t.home) as number;
  const before = bytesOf(daemon);
  writeFileSync(`${t.home}/data/app/go`, "");
  await eventually("all lines", () => existsSync(`${t.home}/data/app/done`) || undefined);
  const after = bytesOf(daemon);
  expect(statSync(log).size).toBe(LINES * LINE_BYTES);
  expect(after.read - before.read).toBeLessThan((LINES * LINE_BYTES) / 100);
  expect(after.written - before.written).toBeLessThan((LINES * LINE_BYTES) / 100);
});

/** How much a process has read and written until now, also of what is only in memory: proc_pid_io(5). */
function bytesOf(pid: number): { read: number; written: number } {
  const text = readFileSync(`/proc/${pid}/io`, "latin1");
  const count = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(text)?.[1]);
  return { read: count("rchar"), written: count("wchar") };
}

// The moment between the last look at the log and its emptying is made so long that a service which was not stopped writes in it.
test.skipIf(!canTrace)(
  "while its log is emptied a service stands still, however long that takes (needs strace and the right to trace)",
  async () => {
    await using t = serviceHome();
    t.write(
      simplePack({
        start: `i=0
until [ -e "$AURORA_LOG_DIR/service.stdout.log.1" ]; do
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    i=$((i + 1))
    echo "$i a line that is as long as the lines of an everyday service are, with what it has to say at the end of it"
  done
done
echo $i > data/count
exec sleep 300`,
      }),
    );
    await t.run(["install", "app", "--no-start"]);
    const slowly = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=ftruncate"];
    const daemon = Bun.spawn(
      [...slowly, "-e", "inject=ftruncate:delay_enter=300ms", ...auroraCommand, "daemon", "--home", t.home],
      { env: { PATH: Bun.env["PATH"] ?? "" }, stdio: ["ignore", "ignore", "ignore"] },
    );
    await eventually("the daemon", () => existsSync(`${t.home}/run/aurora.sock`) || undefined);
    await t.run(["start", "app"]);
    const log = serviceLogs(`${t.home}/logs/app`).stdout;
    const count = await eventually("its log is put aside", () => {
      const path = `${t.home}/data/app/count`;
      return existsSync(path) ? Number(readFileSync(path, "utf8")) || undefined : undefined;
    });
    const numbers = wholeLog(log)
      .trimEnd()
      .split("\n")
      .map((line) => Number(line.split(" ")[0]));
    await t.run(["daemon", "stop", "--services"]);
    await daemon.exited;
    expect(numbers).toHaveLength(count);
    expect(numbers.findIndex((number, index) => number !== index + 1)).toBe(-1);
  },
);
