/** The scheduler on the machine's own clock, in a process of its own. */
import { expect, test } from "bun:test";
import { join } from "node:path";

import { collect, type Run } from "../support/aurora.ts";

const source = join(import.meta.dir, "../../src/scheduler/scheduler.ts");

async function script(body: string): Promise<Run> {
  const child = Bun.spawn(
    [process.execPath, "-e", `import { Scheduler } from ${JSON.stringify(source)};\n${body}`],
    {
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  return await collect(child);
}

test("pending tasks keep the process alive, in order, and it ends after them", async () => {
  const body = `const s = new Scheduler();
    const due = performance.now() + 30;
    s.after(60, () => console.log("second"));
    s.after(30, () => console.log("first", performance.now() >= due));`;
  expect(await script(body)).toEqual({ stdout: "first true\nsecond\n", stderr: "", exitCode: 0 });
});

test("without a reference they do not", async () => {
  const body = `const s = new Scheduler();
    s.after(3_600_000, () => console.log("never"));
    s.add({ id: "a", schedule: { kind: "cron", expression: "0 0 1 1 *", timezone: "UTC" }, run() {} });
    s.setRef(false);`;
  expect(await script(body)).toEqual({ stdout: "", stderr: "", exitCode: 0 });
});

test("a task that throws or rejects does not end the process", async () => {
  const body = `const s = new Scheduler();
    s.after(1, () => { throw new Error("thrown"); });
    s.after(1, async () => { throw new Error("rejected"); });
    s.add({ id: "a", schedule: { kind: "after", delayMs: 1 }, async run() { throw new Error("job"); } });
    process.on("beforeExit", () => console.log(s.failures.map(({ error }) => error.message).sort().join()));`;
  expect(await script(body)).toEqual({ stdout: "job,rejected,thrown\n", stderr: "", exitCode: 0 });
});

test("timers and input/output have their turn while 200,000 tasks are due", async () => {
  const body = `import { readFile } from "node:fs/promises";
    const s = new Scheduler();
    let left = 200_000, seen = 0;
    const tick = () => { for (const end = performance.now() + 0.002; performance.now() < end;); left--; };
    for (let i = 0; i < 200_000; i++) s.after(0, tick);
    const timer = setInterval(() => { if (left > 0) seen |= 1; else { clearInterval(timer); console.log(seen); } }, 1);
    void readFile("/etc/passwd").then(() => { if (left > 0) seen |= 2; });`;
  expect(await script(body)).toEqual({ stdout: "3\n", stderr: "", exitCode: 0 });
});
