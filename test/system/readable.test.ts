/** Descriptors that no stream of the runtime can watch. */
import { expect, test } from "bun:test";
import { appendFileSync, closeSync, writeFileSync } from "node:fs";

import { openPidDescriptor } from "../../src/system/pid-descriptor.ts";
import { onceReadable } from "../../src/system/readable.ts";
import { WriteWatch } from "../../src/system/write-watch.ts";
import { scratch } from "../support/aurora.ts";

test("the end of a process that is no child of ours is told", async () => {
  const output = Bun.spawnSync(["sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $!"]).stdout.toString();
  const pid = Number(output);
  const descriptor = openPidDescriptor(pid) as number;
  const { promise, resolve } = Promise.withResolvers<void>();
  onceReadable(descriptor, resolve);
  process.kill(pid, "SIGKILL");
  await promise;
  closeSync(descriptor);
});

test("what is not watched any more is not told", async () => {
  const child = Bun.spawn(["sleep", "60"]);
  const descriptor = openPidDescriptor(child.pid) as number;
  let isTold = false;
  const unwatch = onceReadable(descriptor, () => (isTold = true));
  expect(unwatch()).toBe(true);
  expect(unwatch()).toBe(false);
  child.kill("SIGKILL");
  await child.exited;
  await new Promise((resolve) => setImmediate(resolve));
  expect(isTold).toBe(false);
  closeSync(descriptor);
});

test("a process that does not exist has no descriptor", () => {
  expect(openPidDescriptor(2 ** 22 + 1)).toBeUndefined();
});

test("the next write to a file is told once, and only of those that are watched", async () => {
  using directory = scratch();
  const [first, second] = [`${directory.path}/a`, `${directory.path}/b`];
  for (const path of [first, second]) writeFileSync(path, "");
  const told: number[] = [];
  let woken = Promise.withResolvers<void>();
  await using watch = new WriteWatch((id) => {
    told.push(id);
    woken.resolve();
  });
  const a = watch.add(first);
  watch.remove(watch.add(second));
  appendFileSync(second, "x");
  appendFileSync(first, "x");
  appendFileSync(first, "x");
  await woken.promise;
  expect(told).toEqual([a]);
  woken = Promise.withResolvers<void>();
  const b = watch.add(second);
  appendFileSync(first, "x");
  appendFileSync(second, "x");
  await woken.promise;
  expect(told).toEqual([a, b]);
});
