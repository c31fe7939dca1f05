import { expect, test } from "bun:test";

import { decideOverlap, MAX_QUEUED_RUNS } from "../../src/scheduler/overlap.ts";

test("every policy, for every number of runs before it", () => {
  const decide = (policy: Parameters<typeof decideOverlap>[0]) =>
    [
      [0, 0],
      [1, 0],
      [1, MAX_QUEUED_RUNS - 1],
      [1, MAX_QUEUED_RUNS],
      [2, 0],
    ].map(([active = 0, queued = 0]) => decideOverlap(policy, active, queued));
  expect(decide("skip")).toEqual(["start", "skip", "skip", "skip", "skip"]);
  expect(decide("queue")).toEqual(["start", "queue", "queue", "skip", "queue"]);
  expect(decide("replace")).toEqual(["start", "replace", "replace", "replace", "replace"]);
  expect(decide({ allow: 2 })).toEqual(["start", "start", "start", "start", "skip"]);
});
