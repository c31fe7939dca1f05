/** The transaction runner against a model of the world, with crashes and faults at any point, from a seed. */
import { describe, expect, test } from "bun:test";

import { runHistory } from "./simulator/history.ts";
import { Violation } from "./simulator/invariants.ts";
import { mutants } from "./simulator/mutants.ts";
import { realRules } from "./simulator/rules.ts";

/** So many histories run each time; more with AURORA_SIMULATIONS=100000. */
const HISTORIES = Number(Bun.env["AURORA_SIMULATIONS"] ?? 10_000);
/** AURORA_SEED=N runs one history, or begins there. */
const FIRST_SEED = Number(Bun.env["AURORA_SEED"] ?? 1);
/** A mutant that is not noticed within so many histories counts as alive. */
const MUTANT_HISTORIES = 20_000;

function violationOf(seed: number, rules: typeof realRules): Violation | undefined {
  try {
    runHistory(seed, rules);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Violation) return thrown;
    throw thrown;
  }
}

test(`${HISTORIES} histories end in the old or the new state, whole`, () => {
  const seen = { committed: 0, "rolled-back": 0, stuck: 0, crashes: 0, reboots: 0 };
  for (let seed = FIRST_SEED; seed < FIRST_SEED + HISTORIES; seed++) {
    let end;
    try {
      end = runHistory(seed, realRules);
    } catch (thrown) {
      throw new Error(`AURORA_SEED=${seed} AURORA_SIMULATIONS=1: ${(thrown as Error).message}`, {
        cause: thrown,
      });
    }
    if (end.state in seen) seen[end.state as keyof typeof seen]++;
    seen.crashes += end.crashes;
    seen.reboots += end.reboots;
  }
  // A simulator that never gets anywhere would find nothing.
  if (HISTORIES >= 1000)
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(HISTORIES / 100);
}, 120_000);

describe("every mistake is noticed, by the invariant that is meant to", () => {
  test.each(mutants.map((mutant) => [mutant.name, mutant] as const))("%s", (_name, { rules, caughtBy }) => {
    let violation: Violation | undefined;
    for (let seed = 1; seed <= MUTANT_HISTORIES && !violation; seed++) violation = violationOf(seed, rules);
    expect(violation?.message).toMatch(caughtBy);
  });
});

test("the same seed is the same history", () => {
  expect(runHistory(4711, realRules)).toEqual(runHistory(4711, realRules));
});
