import { type CronExpression, type CronField } from "./cron-expression.ts";
import { DayMatcher } from "./day-matcher.ts";
import { parseCron } from "./parse-cron.ts";
import { TimeZone } from "./time-zone.ts";

const HOUR = 3600;
const DAY = 24 * HOUR;

/**
 * Clocks that move further than this were set, not put forward or back for the summer: nothing is made up for, and nothing
 * is held back. vixie cron, cron.c: a difference over 3 hours is "large". A minute that is reached late counts into the
 * difference, so that a gap of exactly three hours is large already, and a repetition of three hours is not.
 */
const MAX_SHIFT = 3 * HOUR;

/** No zone is further from UTC, and no shift is longer, than this: how far a local time may be from where it is looked for. */
const ZONE_REACH = 30 * HOUR;

/** How a run came to its time, where the clocks of the zone were changed. */
export type CronRun = {
  /** Milliseconds since 1970-01-01T00:00Z. */
  atMs: number;
  /** `moved`: its time of day was left out. `first-pass`, `second-pass`: its time of day comes twice. */
  shift: "moved" | "first-pass" | "second-pass" | undefined;
  /** The first of the local times, in seconds since 1970 as if it were UTC, that `moved` stands for. */
  wantedLocal: number | undefined;
};

/** A compiled cron expression in a time zone. The rules: docs/scheduler.md, "Cron". */
export class Cron {
  readonly expression: CronExpression;
  readonly zone: TimeZone;
  /** Follows real time over a change of the clocks: vixie cron's MIN_STAR and HR_STAR, and the same for seconds. */
  readonly isWild: boolean;
  #days: DayMatcher;
  #hours: number;
  #minutes: Sixty;
  #seconds: Sixty;
  /** The first second of a day that matches. */
  #firstTime: number;

  constructor(expression: CronExpression, zone: TimeZone) {
    const { fields, hasSeconds } = expression;
    this.expression = expression;
    this.zone = zone;
    this.isWild = fields.minute.isStar || fields.hour.isStar || (hasSeconds && fields.second.isStar);
    this.#days = new DayMatcher(expression);
    this.#hours = bitsOf(fields.hour, 0);
    this.#minutes = sixtyOf(fields.minute);
    this.#seconds = sixtyOf(fields.second);
    this.#firstTime = this.#nextTime(0);
  }

  /**
   * The first run after a moment, or undefined where there is none in the next hundred years.
   *
   * @param fromMs milliseconds since 1970-01-01T00:00Z; a run at this very moment does not count
   * @returns milliseconds since 1970-01-01T00:00Z, a whole second
   */
  next(fromMs: number): number | undefined {
    let second = Math.floor(fromMs / 1000) + 1;
    for (;;) {
      const segment = this.zone.segmentAt(second);
      const { start, end, offset, offsetBefore } = segment;
      let local = second + offset;
      const shift = offset - offsetBefore;
      if (shift !== 0 && !this.isWild) {
        // The clocks went back: what lies before the moment they went back at has run already.
        if (shift < 0 && -shift <= MAX_SHIFT) local = Math.max(local, start + offsetBefore);
        // The clocks went forward: what was left out runs now, once.
        else if (shift > 0 && shift < MAX_SHIFT && second === start && this.#gapMatch(segment) !== undefined)
          return start * 1000;
      }
      const match = this.#nextLocal(local);
      if (match === undefined) return undefined;
      if (match < end + offset) return (match - offset) * 1000;
      // No local time between here and the match matches, so all of that is stepped over; but for the hours that come
      // again right behind this segment.
      const repeats = this.zone.segmentAt(end).offset < offset;
      second = repeats ? end : Math.max(end, match - ZONE_REACH);
    }
  }

  /** As `next`, with what a change of the clocks did to it. */
  nextRun(fromMs: number): CronRun | undefined {
    const atMs = this.next(fromMs);
    return atMs === undefined ? undefined : this.explain(atMs);
  }

  /** What a change of the clocks did to a run. @param atMs a moment that `next` returned */
  explain(atMs: number): CronRun {
    const second = atMs / 1000;
    const segment = this.zone.segmentAt(second);
    const { start, end, offset, offsetBefore } = segment;
    const shift = offset - offsetBefore;
    if (second === start && shift > 0 && shift < MAX_SHIFT && !this.isWild) {
      const wantedLocal = this.#gapMatch(segment);
      if (wantedLocal !== undefined) return { atMs, shift: "moved", wantedLocal };
    }
    if (shift < 0 && second < start - shift) return { atMs, shift: "second-pass", wantedLocal: undefined };
    const shiftAfter = end === Infinity ? 0 : this.zone.segmentAt(end).offset - offset;
    if (shiftAfter < 0 && second >= end + shiftAfter)
      return { atMs, shift: "first-pass", wantedLocal: undefined };
    return { atMs, shift: undefined, wantedLocal: undefined };
  }

  /** The first matching local second of those that the zone left out at the start of a segment. */
  #gapMatch({ start, offset, offsetBefore }: { start: number; offset: number; offsetBefore: number }) {
    const match = this.#nextLocal(start + offsetBefore);
    return match !== undefined && match < start + offset ? match : undefined;
  }

  /** The first second from `local` on whose date and time of day match, in a calendar without time zones. */
  #nextLocal(local: number): number | undefined {
    let day = Math.floor(local / DAY);
    if (this.#days.matches(day)) {
      const time = this.#nextTime(local - day * DAY);
      if (time !== -1) return day * DAY + time;
    }
    const next = this.#days.next(day + 1);
    if (next === undefined) return undefined;
    day = next;
    return day * DAY + this.#firstTime;
  }

  /** The first matching second of a day that is not before `time`, or -1. */
  #nextTime(time: number): number {
    let hour = (time / HOUR) | 0;
    if ((this.#hours >>> hour) & 1) {
      const minute = ((time / 60) | 0) - hour * 60;
      if (hasBit(this.#minutes, minute)) {
        const second = nextBit(this.#seconds, time % 60);
        if (second !== -1) return hour * HOUR + minute * 60 + second;
      }
      const later = nextBit(this.#minutes, minute + 1);
      if (later !== -1) return hour * HOUR + later * 60 + nextBit(this.#seconds, 0);
    }
    hour++;
    const hours = hour > 23 ? 0 : this.#hours & (-1 << hour);
    if (hours === 0) return -1;
    hour = 31 - Math.clz32(hours & -hours);
    return hour * HOUR + nextBit(this.#minutes, 0) * 60 + nextBit(this.#seconds, 0);
  }
}

/** Reads and compiles a cron expression. @throws {AuroraError} `usage` for a bad expression or time zone */
export function compileCron(
  text: string,
  timezone: string,
  options: { extended?: boolean | undefined } = {},
): Cron {
  return new Cron(parseCron(text, options), TimeZone.named(timezone));
}

/** A set of numbers from 0 to 59 in two words of 30 bits. */
type Sixty = { low: number; high: number };

function sixtyOf(field: CronField): Sixty {
  return { low: bitsOf(field, 0), high: bitsOf(field, 30) };
}

/** Bits 0 to 29 (of the hours, 0 to 23) for the numbers from `base` on. */
function bitsOf(field: CronField, base: number): number {
  let bits = 0;
  for (const item of field.items) {
    if (item.kind !== "range") continue;
    for (let value = item.from; value <= item.to; value += item.step)
      if (value >= base && value < base + 30) bits |= 1 << (value - base);
  }
  return bits;
}

function hasBit({ low, high }: Sixty, value: number): boolean {
  return ((value < 30 ? low >>> value : high >>> (value - 30)) & 1) === 1;
}

/** The smallest number of the set that is not below `from` (0 to 60), or -1. */
function nextBit({ low, high }: Sixty, from: number): number {
  if (from < 30) {
    const bits = low & (-1 << from);
    if (bits !== 0) return 31 - Math.clz32(bits & -bits);
    from = 30;
  }
  if (from > 59) return -1;
  const bits = high & (-1 << (from - 30));
  return bits === 0 ? -1 : 61 - Math.clz32(bits & -bits);
}
