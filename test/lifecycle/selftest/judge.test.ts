/** What the self test must notice: a test of the test. */
import { expect, test } from "bun:test";

import { mountCheck } from "../../../src/lifecycle/selftest/file-system.ts";
import { judge } from "../../../src/lifecycle/selftest/state.ts";

const old = { promised: "old", trees: ["a"], faults: [] };
const changed = { promised: "new", trees: ["a", "b"], faults: [] };

test.each([
  ["the old state", old, false, []],
  ["the new state", changed, false, []],
  ["the new state, as it was said", changed, true, []],
  ["the old state, although the change was acknowledged", old, true, ["what was acknowledged is not there"]],
  [
    "a tree that was acknowledged and is gone",
    { ...changed, trees: ["a"] },
    true,
    ["what was acknowledged is not there"],
  ],
  ["something in between", { ...old, promised: "half" }, false, ["it is neither the old nor the new state"]],
  ["a leftover", { ...old, faults: ["tmp/x was left behind"] }, false, ["tmp/x was left behind"]],
])("%s", (_name, found, wasAcknowledged, faults) => {
  expect(judge(found, old, changed, wasAcknowledged)).toEqual(faults);
});

test.each([
  [{ type: "ext4", source: "/dev/sda1", options: ["rw", "relatime"] }, true, "ext4 on /dev/sda1"],
  [
    { type: "ext4", source: "/dev/sda1", options: ["rw", "nobarrier"] },
    false,
    "ext4 on /dev/sda1, mounted with nobarrier: flushes need not reach the disk",
  ],
  [
    { type: "overlay", source: "overlay", options: ["rw", "volatile"] },
    false,
    "overlay on overlay, mounted with volatile: flushes need not reach the disk",
  ],
  [
    { type: "tmpfs", source: "none", options: ["rw"] },
    false,
    "tmpfs: it is kept in memory, and a power cut takes all of it",
  ],
  [
    { type: "nfs4", source: "server:/srv", options: ["rw"] },
    false,
    "nfs4 on server:/srv: what a flush means is up to the other side",
  ],
])("what is mounted: $type $options", (mount, ok, detail) => {
  expect(mountCheck(mount)).toMatchObject({ ok, detail });
});
