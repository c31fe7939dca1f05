import { decisionMutations } from "./decision-mutations.ts";
import { realRules, type Rules } from "./rules.ts";
import { workMutations } from "./work-mutations.ts";

/** A mistake that somebody could make, and the words of the invariant that has to notice it. */
type Mutant = { name: string; caughtBy: RegExp; rules: Rules };

export const mutants: readonly Mutant[] = [...decisionMutations, ...workMutations].map(
  ([name, caughtBy, change]) => ({ name, caughtBy, rules: { ...realRules, ...change } }),
);
