import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";

import { killReason } from "../../src/supervisor/kill-reason.ts";
import { OomWatch } from "../../src/supervisor/oom-watch.ts";
import { memoryKills } from "../../src/system/control-group.ts";
import { scratch } from "../support/aurora.ts";

const since = new Date("2026-11-30T05:00:00Z");

test.each([
  [
    { limitReached: 3, killed: 1 },
    { killed: 1, since },
    "it was killed for lack of memory: it took more than its limit",
  ],
  [
    { limitReached: 0, killed: 2 },
    { killed: 2, since },
    "it was killed for lack of memory: the machine had none left",
  ],
  [{ limitReached: 3, killed: 0 }, { killed: 0, since }, "it died of SIGKILL, which the daemon did not send"],
  [null, { killed: 0, since }, "it died of SIGKILL, which the daemon did not send"],
  [null, null, "it died of SIGKILL, which the daemon did not send"],
  [
    null,
    { killed: 1, since },
    "it died of SIGKILL, which the daemon did not send; the kernel has killed 1 process for lack of memory since 2026-11-30T05:00:00.000Z",
  ],
  [
    null,
    { killed: 2, since },
    "it died of SIGKILL, which the daemon did not send; the kernel has killed 2 processes for lack of memory since 2026-11-30T05:00:00.000Z",
  ],
] as const)("a group that counts %p on a machine that counts %p", (group, onMachine, expected) => {
  expect(killReason({ isKnown: true, group, onMachine, isOverLimit: false })).toBe(expected);
  // Where nobody has seen how it died, the group alone says so.
  const unseen = expected.startsWith("it was killed for lack of memory") ? expected : null;
  expect(killReason({ isKnown: false, group, onMachine: null, isOverLimit: false })).toBe(unseen);
  expect(killReason({ isKnown: true, group: null, onMachine, isOverLimit: true })).toBe(
    "it was killed for lack of memory: it took more than its limit",
  );
});

test("what a control group counts is read from its memory.events", () => {
  using place = scratch();
  const group = `${place.path}/group`;
  mkdirSync(group);
  expect(memoryKills(group)).toBeNull();
  writeFileSync(`${group}/memory.events`, "low 0\nhigh 0\nmax 41\noom 2\noom_kill 5\noom_group_kill 1\n");
  expect(memoryKills(group)).toEqual({ limitReached: 2, killed: 5 });
});

test("the machine's count is told from look to look", () => {
  using place = scratch();
  const path = `${place.path}/vmstat`;
  const counts = (count: number) =>
    writeFileSync(path, `nr_free_pages 1\noom_kill ${count}\nunevictable 2\n`);
  counts(7);
  const [first, second] = [new Date(1000), new Date(2000)];
  const watch = new OomWatch(path, since);
  expect(watch.look(first)).toEqual({ killed: 0, since });
  counts(9);
  expect(watch.look(second)).toEqual({ killed: 2, since: first });
  expect(watch.look()).toEqual({ killed: 0, since: second });
  writeFileSync(path, "nr_free_pages 1\n");
  expect(watch.look()).toBeNull();
});
