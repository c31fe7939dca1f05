/**
 * Random cron expressions together with what they mean, so that nobody has to read the text to check a reader of it.
 * They lean on the hours in which clocks change.
 */
export type KnownCron = {
  text: string;
  minutes: Set<number>;
  hours: Set<number>;
  days: Set<number>;
  months: Set<number>;
  /** 0 is Sunday. */
  weekdays: Set<number>;
  isWild: boolean;
  daysAreAnded: boolean;
  /** A step on a star in one day field and something else than `*` in the other: readers disagree on these. */
  isAmbiguous: boolean;
};

type Field = { text: string; values: Set<number>; isStar: boolean };

export function randomCron(random: () => number): KnownCron {
  const minute = randomField(random, 0, 59, 0.25);
  const hour = random() < 0.6 ? randomField(random, 0, 3, 0.1, 23) : randomField(random, 0, 23, 0.25);
  const day = randomField(random, 1, 31, 0.6);
  const month = randomField(random, 1, 12, 0.7);
  const weekday = randomField(random, 0, 6, 0.6);
  const known: KnownCron = {
    text: [minute, hour, day, month, weekday].map(({ text }) => text).join(" "),
    minutes: minute.values,
    hours: hour.values,
    days: day.values,
    months: month.values,
    weekdays: weekday.values,
    isWild: minute.isStar || hour.isStar,
    daysAreAnded: day.isStar || weekday.isStar,
    isAmbiguous:
      day.text !== "*" &&
      weekday.text !== "*" &&
      (day.text.startsWith("*/") || weekday.text.startsWith("*/")),
  };
  return isPossible(known) ? known : randomCron(random);
}

/** `0 0 31 2 *` never comes, and is refused. */
function isPossible({ daysAreAnded, days, months }: KnownCron): boolean {
  const longest = Math.max(
    ...[...months].map((month) => (month === 2 ? 29 : [4, 6, 9, 11].includes(month) ? 30 : 31)),
  );
  return !daysAreAnded || Math.min(...days) <= longest;
}

/** @param starHigh the end of what a star stands for, where values are to be drawn from a part of it */
function randomField(
  random: () => number,
  low: number,
  high: number,
  starShare: number,
  starHigh: number = high,
): Field {
  const between = (from: number, to: number) => from + Math.floor(random() * (to - from + 1));
  if (random() < starShare) {
    if (random() < 0.7) return { text: "*", values: steps(low, starHigh, 1), isStar: true };
    const step = between(2, Math.max(2, Math.min(20, starHigh - low)));
    return { text: `*/${step}`, values: steps(low, starHigh, step), isStar: true };
  }
  const parts: { text: string; values: Set<number> }[] = [];
  for (let count = random() < 0.7 ? 1 : between(2, 4); count > 0; count--) {
    const from = between(low, high);
    const to = between(from, high);
    if (random() < 0.6 || to === from) parts.push({ text: `${from}`, values: new Set([from]) });
    else if (random() < 0.6 || to - from < 2)
      parts.push({ text: `${from}-${to}`, values: steps(from, to, 1) });
    else {
      const step = between(2, to - from);
      parts.push({ text: `${from}-${to}/${step}`, values: steps(from, to, step) });
    }
  }
  return {
    text: parts.map(({ text }) => text).join(","),
    values: new Set(parts.flatMap(({ values }) => [...values])),
    isStar: false,
  };
}

function steps(from: number, to: number, step: number): Set<number> {
  const values = new Set<number>();
  for (let value = from; value <= to; value += step) values.add(value);
  return values;
}
