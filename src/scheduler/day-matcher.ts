import { type CronExpression, type CronItem } from "./cron-expression.ts";

/** The Gregorian calendar repeats after 400 years; what has not come in 100 is not waited for. */
const MAX_SEARCH_MONTHS = 100 * 12;

/** 1970-01-01 was a Thursday. */
const EPOCH_WEEKDAY = 4;

/**
 * Which days a cron expression names. Days are counted from 1970-01-01, in the proleptic Gregorian calendar.
 *
 * Day of month and day of week: both must match where either field begins with `*`, else one is enough. (vixie cron,
 * cron.c, `find_jobs`; so a step on a star in one field and a day in the other is "and", as few expect.)
 */
export class DayMatcher {
  #months: number;
  #days: readonly CronItem[];
  #weekdayBits = 0;
  #nthWeekdays: Extract<CronItem, { kind: "nth-weekday" }>[] = [];
  #isAnd: boolean;
  /** Bits 0 to 30 for the days of one month, the last one asked for. */
  #mask = 0;
  #maskStart = 0;
  #maskEnd = 0;

  constructor({ fields }: CronExpression) {
    this.#months = rangeBits(fields.month.items);
    this.#days = fields["day of month"].items;
    this.#isAnd = fields["day of month"].isStar || fields["day of week"].isStar;
    for (const item of fields["day of week"].items) {
      if (item.kind === "nth-weekday") this.#nthWeekdays.push(item);
      // 7 is Sunday too.
      else if (item.kind === "range")
        for (let day = item.from; day <= item.to; day += item.step) this.#weekdayBits |= 1 << (day % 7);
    }
  }

  matches(day: number): boolean {
    if (day < this.#maskStart || day >= this.#maskEnd) this.#load(day);
    return ((this.#mask >>> (day - this.#maskStart)) & 1) === 1;
  }

  /** The first matching day that is not before `day`, or undefined where there is none in a hundred years. */
  next(day: number): number | undefined {
    for (let months = 0; months <= MAX_SEARCH_MONTHS; months++) {
      if (day < this.#maskStart || day >= this.#maskEnd) this.#load(day);
      const bits = this.#mask & (-1 << (day - this.#maskStart));
      if (bits !== 0) return this.#maskStart + 31 - Math.clz32(bits & -bits);
      day = this.#maskEnd;
    }
    return undefined;
  }

  #load(day: number): void {
    const { year, month, dayOfMonth } = civilDate(day);
    const length = daysInMonth(year, month);
    const start = day - dayOfMonth + 1;
    this.#maskStart = start;
    this.#maskEnd = start + length;
    this.#mask = 0;
    if (((this.#months >>> month) & 1) === 0) return;
    const firstWeekday = (((start + EPOCH_WEEKDAY) % 7) + 7) % 7;
    const days = this.#monthDays(length, firstWeekday);
    const weekdays = this.#weekdays(length, firstWeekday);
    this.#mask = (this.#isAnd ? days & weekdays : days | weekdays) & (2 ** length - 1);
  }

  #monthDays(length: number, firstWeekday: number): number {
    let bits = 0;
    for (const item of this.#days) {
      if (item.kind === "range") bits |= rangeBits([item]) >>> 1;
      else if (item.kind === "last-day" && item.before < length) bits |= 1 << (length - item.before - 1);
      else if (item.kind === "nearest-workday" && (item.day ?? 0) <= length)
        bits |= 1 << (nearestWorkday(item.day, length, firstWeekday) - 1);
    }
    return bits;
  }

  #weekdays(length: number, firstWeekday: number): number {
    let bits = 0;
    for (let weekday = 0; weekday < 7; weekday++) {
      if (((this.#weekdayBits >>> weekday) & 1) === 0) continue;
      for (let day = (weekday - firstWeekday + 7) % 7; day < length; day += 7) bits |= 1 << day;
    }
    for (const { weekday, nth } of this.#nthWeekdays) {
      const first = (weekday - firstWeekday + 7) % 7;
      const day = first + 7 * ((nth ?? (first + 28 < length ? 5 : 4)) - 1);
      if (day < length) bits |= 1 << day;
    }
    return bits;
  }
}

/** The day from Monday to Friday nearest to `day` (undefined: the last) that is in the same month. */
function nearestWorkday(day: number | undefined, length: number, firstWeekday: number): number {
  const wanted = day ?? length;
  const weekday = (firstWeekday + wanted - 1) % 7;
  if (weekday === 6) return wanted === 1 ? 3 : wanted - 1;
  if (weekday !== 0) return wanted;
  // A Sunday: Monday is nearest, but for `LW`, which looks back, and at the end of a month.
  return wanted === length ? wanted - 2 : wanted + 1;
}

function rangeBits(items: readonly CronItem[]): number {
  let bits = 0;
  for (const item of items)
    if (item.kind === "range")
      for (let value = item.from; value <= item.to; value += item.step) bits |= 1 << value;
  return bits;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** The date of a day since 1970-01-01, by counting from 1 March of year 0, whose leap day is the last of its year. */
export function civilDate(day: number): { year: number; month: number; dayOfMonth: number } {
  const fromMarch = day + 719_468;
  const era = Math.floor(fromMarch / 146_097);
  const dayOfEra = fromMarch - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    dayOfMonth: dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1,
  };
}
