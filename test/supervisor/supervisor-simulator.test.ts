/** The supervisor's decisions against a model of the machine, with everything that can go wrong, from a seed. */
import { describe, expect, test } from "bun:test";

import { runHistory } from "./simulator/history.ts";
import { mutants } from "./simulator/mutants.ts";
import { realRules, type Rules, Violation } from "./simulator/rules.ts";

/** So many histories run each time; more with AURORA_SIMULATIONS=100000. */
const HISTORIES = Number(Bun.env["AURORA_SIMULATIONS"] ?? 2000);
/** AURORA_SEED=N runs one history, or begins there. */
const FIRST_SEED = Number(Bun.env["AURORA_SEED"] ?? 1);
/** A mutant that is not noticed within so many histories counts as alive. */
const MUTANT_HISTORIES = 10_000;

test(`${HISTORIES} histories`, () => {
  const seen = { starts: 0, stops: 0, exits: 0, deaths: 0, reboots: 0 };
  for (let seed = FIRST_SEED; seed < FIRST_SEED + HISTORIES; seed++) {
    let counts;
    try {
      counts = runHistory(seed, realRules);
    } catch (thrown) {
      const { message } = thrown as Error;
      throw new Error(`AURORA_SEED=${seed} AURORA_SIMULATIONS=1: ${message}`, { cause: thrown });
    }
    for (const key of Object.keys(seen) as (keyof typeof seen)[]) seen[key] += counts[key];
  }
  // A simulator in which nothing happens would find nothing.
  if (HISTORIES >= 1000)
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(HISTORIES / 10);
}, 240_000);

test("1,000 services at once", () => {
  const counts = runHistory(FIRST_SEED, realRules, { services: 1000, steps: 1000 });
  expect(counts.starts).toBeGreaterThan(30);
}, 60_000);

test("the same seed is the same history", () => {
  expect(runHistory(4711, realRules)).toEqual(runHistory(4711, realRules));
});

describe("every mistake is noticed, by the invariant that is meant to", () => {
  test.each(mutants.map((mutant) => [mutant.name, mutant] as const))(
    "%s",
    (_name, { rules, caughtBy }) => {
      let violation: Violation | undefined;
      for (let seed = 1; seed <= MUTANT_HISTORIES && !violation; seed++) violation = violationOf(seed, rules);
      expect(violation?.message).toMatch(caughtBy);
    },
    60_000,
  );
});

function violationOf(seed: number, rules: Rules): Violation | undefined {
  try {
    runHistory(seed, rules);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Violation) return thrown;
    throw thrown;
  }
}
