import { describe, expect, test } from "bun:test";

import { Cron as Croner } from "croner";

import { compileCron } from "../../src/scheduler/cron.ts";
import { civilDate } from "../../src/scheduler/day-matcher.ts";
import { TimeZone } from "../../src/scheduler/time-zone.ts";
import { randomFrom } from "../support/random.ts";
import { oracleZones } from "./cron-oracle.ts";

const DAY = 86_400_000;

/** The runs of a span of time, as local times of the zone with its name for the offset. */
function runs(expression: string, zone: string, from: string, to: string, extended = false): string[] {
  const cron = compileCron(expression, zone, { extended });
  const found: string[] = [];
  const end = Date.parse(to);
  for (let at = cron.next(Date.parse(from) - 1); at !== undefined && at < end; at = cron.next(at))
    found.push(`${new Date(at).toISOString().slice(5, 16)} ${cron.explain(at).shift ?? ""}`.trim());
  return found;
}

describe("a change of the clocks", () => {
  // Berlin: 2026-03-29 02:00 becomes 03:00 at 01:00Z; 2026-10-25 03:00 becomes 02:00 at 01:00Z.
  const spring = ["2026-03-29T00:00Z", "2026-03-29T04:00Z"] as const;
  const autumn = ["2026-10-24T23:30Z", "2026-10-25T02:30Z"] as const;

  test.each([
    ["a time that is left out runs when the clocks have moved", "30 2 * * *", ["03-29T01:00 moved"]],
    ["several times that are left out run once", "39,47 2 * * *", ["03-29T01:00 moved"]],
    ["also where that moment matches by itself", "0,30 2,3 * * *", ["03-29T01:00 moved", "03-29T01:30"]],
    ["a star in the minutes is not made up for", "* 2 * * *", []],
    ["nor is a step on a star", "*/20 2 * * *", []],
    [
      "a star in the hours follows real time",
      "30 * * * *",
      ["03-29T00:30", "03-29T01:30", "03-29T02:30", "03-29T03:30"],
    ],
    ["seconds: the first second after the gap", "15 30 2 * * *", ["03-29T01:00 moved"]],
  ])("forward: %s", (_name, expression, expected) => {
    expect(runs(expression, "Europe/Berlin", ...spring)).toEqual(expected);
  });

  test.each([
    ["a time that comes twice runs the first time", "30 2 * * *", ["10-25T00:30 first-pass"]],
    [
      "so does a range",
      "52-54 2 * * *",
      ["10-25T00:52 first-pass", "10-25T00:53 first-pass", "10-25T00:54 first-pass"],
    ],
    [
      "a star in the hours runs both times",
      "30 * * * *",
      ["10-24T23:30", "10-25T00:30 first-pass", "10-25T01:30 second-pass"],
    ],
    [
      "so does a step on a star",
      "*/30 2 * * *",
      [
        "10-25T00:00 first-pass",
        "10-25T00:30 first-pass",
        "10-25T01:00 second-pass",
        "10-25T01:30 second-pass",
      ],
    ],
  ])("back: %s", (_name, expression, expected) => {
    expect(runs(expression, "Europe/Berlin", ...autumn)).toEqual(expected);
  });

  test("half an hour: nothing is lost in Lord Howe", () => {
    // 2026-10-04 02:00 becomes 02:30 at 15:30Z.
    expect(runs("11,40 2 * * *", "Australia/Lord_Howe", "2026-10-03T15:00Z", "2026-10-03T17:00Z")).toEqual([
      "10-03T15:30 moved",
      "10-03T15:40",
    ]);
  });

  test("at midnight: the second pass of the day before is run in Cairo", () => {
    // 2026-10-30 00:00 becomes 2026-10-29 23:00 at 21:00Z.
    expect(runs("15 * * * *", "Africa/Cairo", "2026-10-29T20:00Z", "2026-10-29T23:00Z")).toEqual([
      "10-29T20:15 first-pass",
      "10-29T21:15 second-pass",
      "10-29T22:15",
    ]);
  });

  test("a whole day left out is not made up for: Apia had no 2011-12-30", () => {
    expect(runs("0 12 * * *", "Pacific/Apia", "2011-12-28T12:00Z", "2012-01-01T00:00Z")).toEqual([
      "12-28T22:00",
      "12-29T22:00",
      "12-30T22:00",
      "12-31T22:00",
    ]);
  });
});

describe("days", () => {
  test.each([
    [
      "both restricted: either is enough",
      "0 0 13 * 5",
      ["03-06T00:00", "03-13T00:00", "03-20T00:00", "03-27T00:00"],
    ],
    ["a step on a star is a star: both must match", "0 0 1-7 * */5", ["03-01T00:00", "03-06T00:00"]],
    ["leap day", "0 0 29 2 *", []],
  ])("%s", (_name, expression, expected) => {
    expect(runs(expression, "UTC", "2026-03-01T00:00Z", "2026-04-01T00:00Z")).toEqual(expected);
  });

  test("the next leap day is found over a century that has none", () => {
    expect(compileCron("0 0 29 2 *", "UTC").next(Date.UTC(2096, 2, 1))).toBe(Date.UTC(2104, 1, 29));
  });

  test("a leap day on a Monday is found, and one that never comes ends the search", () => {
    expect(compileCron("0 0 29 2 1-1", "UTC").next(Date.UTC(2026, 0, 1))).toBe(Date.UTC(2026, 1, 2));
    expect(compileCron("0 0 L-30 2 *", "UTC", { extended: true }).next(Date.UTC(2026, 0, 1))).toBeUndefined();
  });

  /** What `L`, `W` and `#` mean, asked of every day on its own. */
  const meanings: [string, (date: Date, length: number) => boolean][] = [
    ["0 0 L * *", (date, length) => date.getUTCDate() === length],
    ["0 0 L-3 * *", (date, length) => date.getUTCDate() === length - 3],
    ["0 0 * * 5L", (date, length) => date.getUTCDay() === 5 && date.getUTCDate() > length - 7],
    ["0 0 * * tue#2", (date) => date.getUTCDay() === 2 && Math.ceil(date.getUTCDate() / 7) === 2],
    ["0 0 * * 1#5", (date) => date.getUTCDay() === 1 && date.getUTCDate() > 28],
    ["0 0 15W * *", (date, length) => isNearestWorkday(date, 15, length)],
    ["0 0 1W * *", (date, length) => isNearestWorkday(date, 1, length)],
    ["0 0 31W * *", (date, length) => length === 31 && isNearestWorkday(date, 31, length)],
    [
      "0 0 LW * *",
      (date, length) => isWorkday(date) && [...laterDays(date, length)].every((later) => !isWorkday(later)),
    ],
    ["0 0 ? * 3", (date) => date.getUTCDay() === 3],
    ["0 0 1,L * *", (date, length) => date.getUTCDate() === 1 || date.getUTCDate() === length],
  ];
  const isWorkday = (date: Date) => date.getUTCDay() !== 0 && date.getUTCDay() !== 6;
  function* laterDays(date: Date, length: number) {
    for (let i = 1; i <= length - date.getUTCDate(); i++) yield new Date(date.getTime() + i * DAY);
  }
  function isNearestWorkday(date: Date, wanted: number, length: number): boolean {
    const distance = (day: number) => {
      const other = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), day));
      return day >= 1 && day <= length && isWorkday(other) ? Math.abs(day - wanted) : Infinity;
    };
    const days = Array.from({ length }, (_, i) => i + 1);
    const best = days.reduce((a, b) => (distance(b) < distance(a) ? b : a));
    return wanted <= length && date.getUTCDate() === best;
  }

  test.each(meanings)("extended: %s", (expression, isDay) => {
    const cron = compileCron(expression, "UTC", { extended: true });
    const expected: string[] = [];
    const actual: string[] = [];
    const from = Date.UTC(2023, 0, 1);
    const to = Date.UTC(2033, 0, 1);
    for (let at = from; at < to; at += DAY) {
      const date = new Date(at);
      const length = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
      if (isDay(date, length)) expected.push(date.toISOString());
    }
    for (let at = cron.next(from - 1); at !== undefined && at < to; at = cron.next(at))
      actual.push(new Date(at).toISOString());
    expect(actual).toEqual(expected);
  });

  test.each(["0 0 L * *", "0 0 * * 5L", "0 0 * * 2#2", "0 0 15W * *", "0 0 LW * *"])(
    "croner agrees on %s",
    (text) => {
      const croner = new Croner(text, { timezone: "UTC", paused: true });
      const cron = compileCron(text, "UTC", { extended: true });
      let at = Date.UTC(2026, 0, 1);
      for (let i = 0; i < 48; i++) {
        const next = cron.next(at) as number;
        expect(new Date(next)).toEqual(croner.nextRun(new Date(at)) as Date);
        at = next;
      }
    },
  );
});

test("civil dates are those of Date, over eight centuries", () => {
  for (let day = -150_000; day < 150_000; day += 13) {
    const date = new Date(day * DAY);
    const { year, month, dayOfMonth } = civilDate(day);
    if (
      year !== date.getUTCFullYear() ||
      month !== date.getUTCMonth() + 1 ||
      dayOfMonth !== date.getUTCDate()
    )
      expect([day, year, month, dayOfMonth]).toEqual([
        day,
        date.getUTCFullYear(),
        date.getUTCMonth() + 1,
        date.getUTCDate(),
      ]);
  }
  expect(civilDate(0)).toEqual({ year: 1970, month: 1, dayOfMonth: 1 });
});

test("next is the same from wherever it is asked", () => {
  const random = randomFrom(11);
  const crons = ["30 2 * * *", "*/7 1-3 * * *", "5 0 25-31 3,10 *", "0 0 29 2 *", "*/11 * * * * *"];
  for (const text of crons)
    for (const zone of ["Europe/Berlin", "Australia/Lord_Howe", "Antarctica/Casey"]) {
      const cron = compileCron(text, zone);
      for (let i = 0; i < 200; i++) {
        const from = Date.UTC(2020, 0, 1) + Math.floor(random() * 4000 * DAY);
        const next = cron.next(from) as number;
        const between = from + Math.floor(random() * (next - from));
        expect([text, zone, from, cron.next(between)]).toEqual([text, zone, from, next]);
        expect(cron.next(next - 1)).toBe(next);
      }
    }
});

test("moments far away have a next run or none", () => {
  const cron = compileCron("0 3 * * *", "Europe/Berlin");
  for (const year of [-200_000, -1, 1600, 1891, 1916, 1945, 2400, 9999, 250_000]) {
    const from = Date.UTC(year, 5, 1);
    const next = cron.next(from) as number;
    expect([year, next > from && next - from <= 2 * DAY]).toEqual([year, true]);
  }
});

describe("time zones", () => {
  test.each(oracleZones)("%s has the offsets that Intl shows", (name) => {
    const zone = TimeZone.named(name);
    const format = new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      timeZoneName: "longOffset",
      year: "numeric",
    });
    // Forwards, backwards and at random, so that every way of finding a segment is gone.
    const random = randomFrom(3);
    const from = Date.UTC(2008, 0, 1) / 1000;
    const moments = Array.from({ length: 2500 }, (_, i) =>
      i < 800
        ? from + i * 86_400 * 3
        : i < 1600
          ? from + (1600 - i) * 86_400 * 9
          : from + random() * 25 * 365 * 86_400,
    ).map(Math.floor);
    for (const second of moments) {
      const { start, end, offset } = zone.segmentAt(second);
      const [, sign, hours, minutes] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(format.format(second * 1000)) ?? [];
      const shown =
        sign === undefined ? 0 : (Number(hours) * 3600 + Number(minutes) * 60) * (sign === "-" ? -1 : 1);
      if (offset !== shown || second < start || second >= end)
        expect([name, second, start, end, offset]).toEqual([name, second, start, end, shown]);
    }
    expect(zone.segmentAt(from).end).toBeGreaterThan(from);
  });

  test("an unknown name is refused", () => {
    expect(() => TimeZone.named("Europe/Berln")).toThrow('cannot use the time zone "Europe/Berln"');
    expect(() => TimeZone.named("")).toThrow("there is none of that name");
  });
});
