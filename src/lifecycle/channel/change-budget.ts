/** So many changes may come at once, and so many more in a second: beyond, they are refused, and do not fill the event log. */
export const MAX_CHANGES_AT_ONCE = 200;
export const CHANGES_PER_SECOND = 2;
const MS_PER_CHANGE = 1000 / CHANGES_PER_SECOND;

/** How many changes a script may still make: the time that has not been used for one yet, which each change takes a part of. */
export type ChangeBudget = { usedUntilMs: number };

export function fullBudget(nowMs: number): ChangeBudget {
  return { usedUntilMs: nowMs - MAX_CHANGES_AT_ONCE * MS_PER_CHANGE };
}

/**
 * The budget after one more change: pure.
 *
 * @param nowMs of a clock that only goes forward, in milliseconds
 * @returns undefined where there is none left: the change is to be refused, which costs nothing
 */
export function takeChange({ usedUntilMs }: ChangeBudget, nowMs: number): ChangeBudget | undefined {
  const after = Math.max(usedUntilMs, fullBudget(nowMs).usedUntilMs) + MS_PER_CHANGE;
  return after > nowMs ? undefined : { usedUntilMs: after };
}
