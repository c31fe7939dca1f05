/** The self test on a machine so slow that the time is up before it has begun. */
import { expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";

import { selftest } from "../../../src/lifecycle/selftest/selftest.ts";
import { ensureHome } from "../../../src/system/ensure-home.ts";
import { homePaths } from "../../../src/system/home.ts";
import { auroraCommand, scratch } from "../../support/aurora.ts";

test("nothing is promised that was tried nowhere: each part is tried once, whatever the time", async () => {
  using directory = scratch();
  const paths = homePaths(`${directory.path}/home`);
  ensureHome(paths);
  const self = `${directory.path}/aurora`;
  writeFileSync(self, `#!/bin/sh\nexec ${auroraCommand.join(" ")} "$@"\n`);
  chmodSync(self, 0o755);
  const world = {
    self,
    signal: new AbortController().signal,
    onProgress: () => {},
  };
  const { checks, not_tested } = await selftest(paths, world, {
    preparedMs: 0,
    stepsMs: 0,
    anywhereMs: 0,
  });
  const tried = ["killed", "disk full", "disk fails", "killed anywhere"];
  const details = checks.filter(({ name }) => tried.includes(name)).map(({ detail }) => detail);
  // Each processor prepares one change.
  expect(details.map((detail) => detail.replace(/of \d+ changes/, "of N changes"))).toEqual([
    "stopped at 1 steps of N changes: always the old or the new state, whole",
    "out of space at 1 steps of N changes: always the old or the new state, whole",
    "an error at 1 steps of N changes: always the old or the new state, whole",
    "stopped 1 times at random: always the old or the new state",
  ]);
  expect(not_tested.at(-1)).toMatch(/^\d+ of \d+ steps: the time was up$/);
});
