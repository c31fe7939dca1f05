import { type CronExpression, type CronField, type CronItem } from "./cron-expression.ts";

const weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const months = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

/** Up to so many times of day are listed one by one. */
const MAX_LISTED_TIMES = 6;

/** What a cron expression means, in English, without a full stop: "at 03:00, on Monday to Friday". */
export function describeCron(expression: CronExpression): string {
  return [describeTime(expression), describeDays(expression), describeMonths(expression)]
    .filter((part) => part !== "")
    .join(", ");
}

function describeTime({ fields, hasSeconds }: CronExpression): string {
  const { second, minute, hour } = fields;
  const seconds = hasSeconds ? valuesOf(second) : [0];
  const times = listTimes(seconds, minute, hour);
  if (times) return `at ${times}`;
  const minutes = describeMinutes(minute, hour);
  if (!hasSeconds || (seconds.length === 1 && seconds[0] === 0)) return minutes;
  const phrase = frequency(second, "second") ?? `at ${counted("second", "seconds", second)}`;
  return minutes === "every minute"
    ? `${phrase}${phrase.startsWith("at ") ? " of every minute" : ""}`
    : `${phrase}, ${minutes}`;
}

/** "03:00 and 15:30", where there are only few of them and nothing is a star. */
function listTimes(seconds: readonly number[], minute: CronField, hour: CronField): string | undefined {
  if (minute.isStar || hour.isStar) return undefined;
  const minutes = valuesOf(minute);
  const hours = valuesOf(hour);
  if (seconds.length * minutes.length * hours.length > MAX_LISTED_TIMES) return undefined;
  const times = hours.flatMap((h) =>
    minutes.flatMap((m) =>
      seconds.map((s) => [h, m, ...(seconds.length === 1 && s === 0 ? [] : [s])].map(twoDigits).join(":")),
    ),
  );
  return enumerate([...new Set(times)]);
}

function describeMinutes(minute: CronField, hour: CronField): string {
  const minutes = frequency(minute, "minute");
  if (isAll(hour)) {
    if (minutes !== undefined) return minutes;
    const values = valuesOf(minute);
    return values.length === 1 && values[0] === 0
      ? "every hour, on the hour"
      : `at ${counted("minute", "minutes", minute)} of every hour`;
  }
  const hours = frequency(hour, "hour") ?? counted("hour", "hours", hour);
  return `${minutes ?? `at ${counted("minute", "minutes", minute)}`}, ${hours.startsWith("every") ? "" : "in "}${hours}`;
}

/** "every minute", "every 15 minutes" for what begins with a star; undefined for the rest. */
function frequency(field: CronField, unit: string): string | undefined {
  const [item] = field.items;
  if (!field.isStar || field.items.length !== 1 || item?.kind !== "range") return undefined;
  if (item.step === 1) return `every ${unit}`;
  // 7 does not divide 60: the last gap of an hour is shorter.
  const whole = (item.to + 1) % item.step === 0;
  return whole ? `every ${item.step} ${unit}s` : `every ${item.step} ${unit}s from ${unit} 0 on`;
}

function describeDays({ fields }: CronExpression): string {
  const days = fields["day of month"];
  const weekday = fields["day of week"];
  const parts: string[] = [];
  if (!isAll(days)) parts.push(describeMonthDays(days));
  if (!isAll(weekday)) parts.push(`on ${enumerate(weekday.items.map(describeWeekday))}`);
  if (parts.length < 2) return parts.join("");
  // Where both have to match, each day of the month is asked for its weekday.
  return days.isStar || weekday.isStar
    ? parts.join(", if that is also ").replace("also on ", "also ")
    : parts.join(" or ");
}

function describeMonthDays(field: CronField): string {
  const special = field.items.filter(({ kind }) => kind !== "range").map(describeSpecialDay);
  const ranges = { ...field, items: field.items.filter(({ kind }) => kind === "range") };
  const plain = ranges.items.length === 0 ? [] : [counted("day", "days", ranges)];
  return `on ${enumerate([...plain, ...special])} of the month`;
}

function describeSpecialDay(item: CronItem): string {
  if (item.kind === "last-day") {
    if (item.before === 0) return "the last day";
    return item.before === 1 ? "the day before the last" : `the day ${item.before} days before the last`;
  }
  if (item.kind === "nearest-workday")
    return item.day === undefined ? "the last workday" : `the workday nearest to day ${item.day}`;
  return "";
}

function describeWeekday(item: CronItem): string {
  if (item.kind === "nth-weekday") {
    const rank =
      item.nth === undefined ? "last" : ["first", "second", "third", "fourth", "fifth"][item.nth - 1];
    return `the ${rank} ${weekdays[item.weekday]} of the month`;
  }
  return describeRange(item, (day) => weekdays[day % 7] as string);
}

function describeMonths({ fields: { month } }: CronExpression): string {
  if (isAll(month)) return "";
  return `in ${enumerate(month.items.map((item) => describeRange(item, (value) => months[value - 1] as string)))}`;
}

function describeRange(item: CronItem, name: (value: number) => string): string {
  if (item.kind !== "range") return "";
  const { from, to, step } = item;
  if (from === to) return name(from);
  if (step === 1) return `${name(from)} to ${name(to)}`;
  const values: string[] = [];
  for (let value = from; value <= to; value += step) values.push(name(value));
  return values.length <= 4 ? enumerate(values) : `${values[0]}, ${values[1]} and so on to ${values.at(-1)}`;
}

/** "minute 5", "minutes 5, 20 and 30 to 40". */
function counted(one: string, many: string, field: CronField): string {
  const words = field.items.map((item) => describeRange(item, String));
  return `${valuesOf(field).length === 1 ? one : many} ${enumerate(words)}`;
}

function isAll({ items: [item], isStar }: CronField): boolean {
  return isStar && item?.kind === "range" && item.step === 1;
}

/** The numbers a field names, ascending, each once. */
function valuesOf(field: CronField): number[] {
  const values = new Set<number>();
  for (const item of field.items)
    if (item.kind === "range")
      for (let value = item.from; value <= item.to; value += item.step) values.add(value);
  return [...values].sort((a, b) => a - b);
}

function enumerate(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
