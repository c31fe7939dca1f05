import { adoptService } from "../../../src/supervisor/adoption.ts";
import { nextService } from "../../../src/supervisor/service-machine.ts";

/** The decisions under test, so that a mutant can put a mistake into one of them. */
export type Rules = { next: typeof nextService; adopt: typeof adoptService };

export const realRules: Rules = { next: nextService, adopt: adoptService };

/** An invariant that does not hold. */
export class Violation extends Error {}
