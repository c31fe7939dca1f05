/** A sample of what `bun scripts/cron-oracle.ts` checks in full: our cron against vixie cron's own loop. */
import { describe, expect, test } from "bun:test";

import { compileCron } from "../../src/scheduler/cron.ts";
import { randomFrom } from "../support/random.ts";
import { firstDifference, localMinutes, oracleZones, vixieRuns } from "./cron-oracle.ts";
import { randomCron } from "./random-cron.ts";

const EXPRESSIONS = 40;
const DAYS_AROUND = 3;
const DAY = 86_400_000;

/** The hours of 2019 to 2028 at which Intl shows another distance from UTC than an hour before. */
function shiftsOf(zone: string): number[] {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    timeZoneName: "longOffset",
    year: "numeric",
  });
  const nameAt = (at: number) => format.format(at).slice(6);
  const shifts: number[] = [];
  for (let day = Date.UTC(2019, 0, 1); day < Date.UTC(2029, 0, 1); day += DAY)
    if (nameAt(day) !== nameAt(day + DAY)) shifts.push(day);
  return shifts;
}

describe("the days around each change of the clocks", () => {
  test.each([...oracleZones, "America/Godthab", "Asia/Amman"])("%s", (zone) => {
    const random = randomFrom(zone.length * 1000 + zone.charCodeAt(0));
    const shifts = shiftsOf(zone);
    // Two changes of each zone in a normal run, others by another seed; 2024 where a zone has none.
    const picked = [...shifts].sort(() => random() - 0.5).slice(0, 2);
    if (picked.length === 0) picked.push(Date.UTC(2024, 1, 28));
    let runs = 0;
    for (const shift of picked) {
      const from = shift - DAYS_AROUND * DAY;
      const to = shift + (DAYS_AROUND + 1) * DAY;
      const minutes = localMinutes(zone, from, to);
      for (let i = 0; i < EXPRESSIONS; i++) {
        const known = randomCron(random);
        const cron = compileCron(known.text, zone);
        const expected = vixieRuns(known, minutes);
        const actual: number[] = [];
        for (let at = cron.next(from - 1); at !== undefined && at < to; at = cron.next(at)) actual.push(at);
        const difference = firstDifference(actual, expected);
        const where = difference === undefined ? undefined : new Date(difference).toISOString();
        expect({ zone, text: known.text, where }).toEqual({ zone, text: known.text, where: undefined });
        runs += expected.length;
      }
    }
    expect(runs).toBeGreaterThan(100);
  });
});

test("the oracle tells a run that is missing, one that is extra, and one at another time", () => {
  expect([
    firstDifference([1, 2], [1, 2]),
    firstDifference([1], [1, 2]),
    firstDifference([1, 2], [1, 3]),
  ]).toEqual([undefined, 2, 2]);
});
