/**
 * Checks our cron against vixie cron's own loop, minute by minute, and asks Bun.cron and croner for second opinions.
 *
 *   bun scripts/cron-oracle.ts [--expressions 2000] [--years 5] [--zones 22] [--seed 1] [--opinions 200]
 *
 * Every difference to vixie is a failure. Every difference to a library is counted under its explanation; one without an
 * explanation is a failure too. The full run takes about twenty minutes of one core.
 */
import { parseArgs } from "node:util";

import { Cron as Croner } from "croner";

import { compileCron } from "../src/scheduler/cron.ts";
import { firstDifference, localMinutes, oracleZones, vixieRuns } from "../test/scheduler/cron-oracle.ts";
import { type KnownCron, randomCron } from "../test/scheduler/random-cron.ts";
import { randomFrom } from "../test/support/random.ts";

const { values } = parseArgs({
  options: {
    expressions: { type: "string", default: "2000" },
    years: { type: "string", default: "5" },
    zones: { type: "string", default: String(oracleZones.length) },
    seed: { type: "string", default: "1" },
    opinions: { type: "string", default: "200" },
  },
});
const FROM = Date.UTC(2024, 0, 1);
const TO = Date.UTC(2024 + Number(values.years), 0, 1);
const HOUR = 3_600_000;
const WINDOW = 4 * HOUR;

type Shift = { at: number; byMs: number };
type Opinion = {
  name: string;
  next: (known: KnownCron, zone: string) => (from: number) => number | undefined;
};

const opinions: Opinion[] = [
  {
    name: "Bun.cron",
    next: (known, zone) => (from) => Bun.cron.parse(known.text, from, { tz: zone })?.getTime(),
  },
  {
    name: "croner",
    next: (known, zone) => {
      const job = new Croner(known.text, { timezone: zone, paused: true });
      return (from) => job.nextRun(new Date(from))?.getTime();
    },
  },
];

/** explanation → how many runs differ, and one of them. */
const explained = new Map<string, { count: number; example: string }>();
let failures = 0;
let pairs = 0;
let runs = 0;
let opinionPairs = 0;

for (const zone of oracleZones.slice(0, Number(values.zones))) {
  const started = performance.now();
  const local = localMinutes(zone, FROM, TO);
  const shifts = shiftsIn(local.minutes);
  const random = randomFrom(Number(values.seed));
  for (let i = 0; i < Number(values.expressions); i++) {
    const known = randomCron(random);
    const cron = compileCron(known.text, zone);
    const expected = vixieRuns(known, local);
    const actual = collect((from) => cron.next(from), FROM - 1, TO);
    const difference = firstDifference(actual, expected);
    pairs++;
    runs += expected.length;
    if (difference !== undefined)
      fail(`${zone} "${known.text}": differs at ${new Date(difference).toISOString()}`);
    if (i < Number(values.opinions)) compareOpinions(known, zone, expected, shifts);
  }
  console.log(`${zone}: ${shifts.length} shifts, ${((performance.now() - started) / 1000).toFixed(0)} s`);
}

console.log(`\n${pairs} pairs of expression and zone, ${runs} runs, ${failures} failures`);
console.log(
  `${opinionPairs} pairs for each second opinion, around each change of the clocks and on 60 other days:`,
);
for (const [explanation, { count, example }] of [...explained].sort(([a], [b]) => a.localeCompare(b)))
  console.log(`  ${explanation}: ${count}, such as ${example}`);
process.exitCode = failures === 0 ? 0 : 1;

function fail(message: string): void {
  failures++;
  if (failures <= 20) console.log(`FAILURE ${message}`);
}

function collect(next: (from: number) => number | undefined, from: number, to: number): number[] {
  const found: number[] = [];
  for (let at = next(from); at !== undefined && at < to;) {
    found.push(at);
    const after = next(at);
    if (after !== undefined && after <= at) throw new Error(`${new Date(after).toISOString()} is not later`);
    at = after;
  }
  return found;
}

function shiftsIn(minutes: Int32Array): Shift[] {
  const found: Shift[] = [];
  for (let i = 1; i < minutes.length; i++) {
    const step = (minutes[i] as number) - (minutes[i - 1] as number);
    if (step !== 1) found.push({ at: FROM + i * 60_000, byMs: (step - 1) * 60_000 });
  }
  return found;
}

function compareOpinions(known: KnownCron, zone: string, expected: number[], shifts: Shift[]): void {
  opinionPairs++;
  const windows = shifts.map(({ at, byMs }) => [at - WINDOW, at + WINDOW + Math.abs(byMs)] as const);
  for (let i = 0; i < 60; i++) {
    const start = FROM + Math.floor((i * (TO - FROM)) / 60 / HOUR) * HOUR;
    windows.push([start, Math.min(TO, start + 24 * HOUR)]);
  }
  for (const { name, next } of opinions) {
    let nextOf: (from: number) => number | undefined;
    try {
      nextOf = next(known, zone);
      for (const [from, to] of windows) {
        const theirs = new Set(collect(nextOf, from - 1, to));
        const ours = new Set(expected.filter((at) => at >= from && at < to));
        for (const at of ours.symmetricDifference(theirs))
          explain(name, known, zone, at, ours.has(at), shifts);
      }
    } catch (thrown) {
      count(`${name} refuses or fails: ${(thrown as Error).message.slice(0, 60)}`, `${zone} "${known.text}"`);
    }
  }
}

function explain(
  name: string,
  known: KnownCron,
  zone: string,
  at: number,
  isOursOnly: boolean,
  shifts: Shift[],
): void {
  const example = `"${known.text}" in ${zone} at ${new Date(at).toISOString()}`;
  const who = isOursOnly ? "only ours and vixie's" : `only ${name}'s`;
  if (known.isAmbiguous)
    return count(
      `${name}, day rule: a step on a star in a day field is not taken for a star; ${who}`,
      example,
    );
  const shift = shifts.find(({ at: moment, byMs }) => Math.abs(at - moment) <= Math.abs(byMs));
  if (!shift) return fail(`${name} differs without an explanation: ${example}, ${who}`);
  const kind = known.isWild
    ? /^\*( |$)|^\S+ \*( |$)/.test(known.text)
      ? "star"
      : "step on a star"
    : "fixed";
  count(`${name}, ${shift.byMs > 0 ? "hour left out" : "hour repeated"}, ${kind} job; ${who}`, example);
}

function count(explanation: string, example: string): void {
  const entry = explained.get(explanation);
  if (entry) entry.count++;
  else explained.set(explanation, { count: 1, example });
}
