/** Which states a power cut may leave by the model, and what has to be in them. */
import { expect, test } from "bun:test";

import { emptyHomeState, type HomeState } from "../../scripts/crash/home-state.ts";
import { legalStates, legalStatesAfterEnd } from "../../scripts/crash/legal-states.ts";
import { withoutOnlyStaged } from "../../scripts/crash/power-model.ts";
import { type Change, type Node, type Trace } from "../../scripts/crash/trace.ts";

const node = (id: number, type: Node["type"]): Node => ({
  id,
  type,
  mode: 0o700,
  data: Buffer.alloc(0),
  target: "",
  entries: new Map(),
});

/** Two files are written; only the first one and the directory are flushed. */
function smallTrace(): Trace {
  const changes = [
    { kind: "name", directory: 0, name: "a", node: 1, isNew: true },
    { kind: "write", node: 1, offset: 0, data: Buffer.from("one") },
    { kind: "sync", node: 1 },
    { kind: "sync", node: 0 },
    { kind: "name", directory: 0, name: "b", node: 2, isNew: true },
    { kind: "write", node: 2, offset: 0, data: Buffer.from("two") },
  ] as const;
  return {
    root: 0,
    nodes: [node(0, "directory"), node(1, "file"), node(2, "file")],
    changes: changes.map((change, at): Change => ({ ...change, at, label: `${change.kind} ${at}` })),
  };
}

test("the states after the end are those of all that have the end in them", () => {
  const trace = smallTrace();
  const after = legalStatesAfterEnd(trace);
  expect(after).toEqual(legalStates(trace).filter(({ isAfterEnd }) => isAfterEnd));
  // Nothing of what was not flushed; both; the name alone; the last write torn.
  expect(after.map(({ there, isTorn }) => [there, isTorn])).toEqual([
    [[0, 1], false],
    [[0, 1, 4, 5], false],
    [[0, 1, 4], false],
    [[0, 1, 4, 5], true],
  ]);
});

test("a tree that was only staged, and by nobody who could say so, need not be there after the power cut", () => {
  const state = (trees: string[], digest: string): HomeState => ({
    ...emptyHomeState(),
    packs: { alpha: { generation: 1, digest } },
    trees,
  });
  const before = state(["first"], "first");
  expect(withoutOnlyStaged(state(["first", "second"], "first"), before).trees).toEqual(["first"]);
  // What is live by now is kept, and what was there before.
  expect(withoutOnlyStaged(state(["first", "second"], "second"), before).trees).toEqual(["first", "second"]);
});
