import { AuroraError } from "../errors.ts";
import {
  type CronExpression,
  type CronField,
  type CronFieldName,
  cronFieldNames,
  type CronItem,
} from "./cron-expression.ts";

/** Longer texts are refused before anything reads them. */
export const MAX_CRON_LENGTH = 1000;

const nicknames: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

const monthNames = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const weekdayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

type Limits = { low: number; high: number; names: readonly string[] };
const limitsOf: Readonly<Record<CronFieldName, Limits>> = {
  second: { low: 0, high: 59, names: [] },
  minute: { low: 0, high: 59, names: [] },
  hour: { low: 0, high: 23, names: [] },
  "day of month": { low: 1, high: 31, names: [] },
  month: { low: 1, high: 12, names: monthNames },
  "day of week": { low: 0, high: 7, names: weekdayNames },
};

const longestMonths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** A word of the expression and where it begins, counted from 0. */
type Word = { text: string; index: number };
type ParseOptions = { /** Allow `L`, `W`, `#` and `?`. */ extended?: boolean | undefined };

/**
 * Reads a cron expression: five fields, or six with seconds in front; lists, ranges and steps; names of months and days;
 * `@daily` and its like. The grammar is that of vixie cron (crontab(5)) without what only hides mistakes: a step that is
 * larger than its range, and a day that no month has.
 *
 * @throws {AuroraError} `usage`, with the place in the text
 */
export function parseCron(text: string, { extended = false }: ParseOptions = {}): CronExpression {
  const fail: Fail = (message, word, hint) => {
    const column = word.index + 1;
    throw new AuroraError("usage", `cannot read the cron expression "${shorten(text)}": ${message}`, {
      hint,
      diagnostics: [
        {
          message: `${message} (column ${column})`,
          source: { file: "cron", line: 1, column, length: Math.max(1, word.text.length), text },
        },
      ],
    });
  };
  if (text.length > MAX_CRON_LENGTH)
    fail(`it is longer than ${MAX_CRON_LENGTH} characters`, { text: "", index: MAX_CRON_LENGTH });

  const words = [...text.matchAll(/[^ \t]+/g)].map((match) => ({ text: match[0], index: match.index }));
  const [first] = words;
  if (!first) return fail("it is empty", { text: "", index: 0 }, 'write five fields, such as "0 3 * * *"');
  if (first.text.startsWith("@")) return { ...parseCron(expandNickname(words, fail)), text };
  if (words.length !== 5 && words.length !== 6) return wrongCount(words, fail);

  const hasSeconds = words.length === 6;
  const fields = {} as Record<CronFieldName, CronField>;
  if (!hasSeconds) fields.second = { items: [{ kind: "range", from: 0, to: 0, step: 1 }], isStar: false };
  words.forEach((word, i) => {
    const name = cronFieldNames[hasSeconds ? i : i + 1] as CronFieldName;
    fields[name] = parseField(word, name, extended, fail);
  });
  refuseImpossibleDay(fields, words[hasSeconds ? 3 : 2] as Word, fail);
  return { text, hasSeconds, fields };
}

type Fail = (message: string, word: Word, hint?: string) => never;

function expandNickname(words: readonly Word[], fail: Fail): string {
  const [word, extra] = words as [Word, Word | undefined];
  const name = word.text.toLowerCase();
  const expanded = Object.hasOwn(nicknames, name) ? nicknames[name] : undefined;
  if (expanded === undefined)
    fail(
      name === "@reboot" ? '"@reboot" is no time' : `"${shorten(word.text)}" is no known name`,
      word,
      `the names are ${Object.keys(nicknames).join(" ")}`,
    );
  if (extra) fail(`nothing may follow "${word.text}"`, extra);
  return expanded as string;
}

function wrongCount(words: readonly Word[], fail: Fail): never {
  const last = words.at(-1) as Word;
  const where = words[6] ?? { text: "", index: last.index + last.text.length };
  return fail(
    `it has ${words.length} ${words.length === 1 ? "field" : "fields"}, not 5 or 6`,
    where,
    "the fields are minute, hour, day of month, month, day of week; seconds may stand in front",
  );
}

function parseField(word: Word, name: CronFieldName, extended: boolean, fail: Fail): CronField {
  const isDay = name === "day of month" || name === "day of week";
  if (word.text === "?" && isDay) {
    if (!extended) needExtended(word, fail);
    return { items: [wholeRange(name)], isStar: true };
  }
  const items: CronItem[] = [];
  let index = word.index;
  for (const text of word.text.split(",")) {
    const part = { text, index };
    if (text === "") fail(`a value is missing in the field "${name}"`, part);
    items.push(parseSpecial(part, name, extended, fail) ?? parseRange(part, name, fail));
    index += text.length + 1;
  }
  return { items, isStar: word.text.startsWith("*") };
}

function wholeRange(name: CronFieldName): CronItem {
  const { low, high } = limitsOf[name];
  return { kind: "range", from: low, to: name === "day of week" ? 6 : high, step: 1 };
}

// A star, a value or a range, with a step or without one.
function parseRange(part: Word, name: CronFieldName, fail: Fail): CronItem {
  const slash = part.text.indexOf("/");
  const range = slash === -1 ? part.text : part.text.slice(0, slash);
  const { high } = limitsOf[name];
  let from: number;
  let to: number;
  if (range === "*") ({ from, to } = wholeRange(name) as { from: number; to: number });
  else {
    const dash = range.indexOf("-");
    const start = { text: dash === -1 ? range : range.slice(0, dash), index: part.index };
    from = parseValue(start, name, fail);
    if (dash === -1) {
      if (slash !== -1)
        fail("a step needs a range", part, `write "${range}-${high}${part.text.slice(slash)}"`);
      to = from;
    } else {
      const end = { text: range.slice(dash + 1), index: part.index + dash + 1 };
      to = parseValue(end, name, fail);
      if (from > to)
        fail(
          `the range "${shorten(range)}" runs backwards`,
          { text: range, index: part.index },
          name === "day of week" && to === 0
            ? `write "${start.text}-7"`
            : `write two ranges: "${start.text}-${name === "day of week" ? 6 : high},${limitsOf[name].low}-${end.text}"`,
        );
    }
  }
  const step =
    slash === -1 ? 1 : parseStep({ text: part.text.slice(slash + 1), index: part.index + slash + 1 }, fail);
  if (step > 1 && step > to - from)
    fail(`the step ${step} is larger than its range`, part, `"${from}" means the same`);
  return { kind: "range", from, to, step };
}

function parseStep(word: Word, fail: Fail): number {
  if (!/^\d{1,4}$/.test(word.text))
    fail(`"${shorten(word.text)}" is no step`, word, "a step is a number from 1");
  const step = Number(word.text);
  if (step === 0) fail("a step of 0 never arrives", word, "a step is a number from 1");
  return step;
}

function parseValue(word: Word, name: CronFieldName, fail: Fail): number {
  const { low, high, names } = limitsOf[name];
  const article = name === "hour" ? "an" : "a";
  const position = names.indexOf(word.text.toLowerCase());
  if (position !== -1) return position + low;
  const range = `${low} to ${high}${names.length === 0 ? "" : ` or ${names[0]} to ${names.at(-1)}`}`;
  if (!/^\d{1,4}$/.test(word.text)) {
    const short = word.text.slice(0, 3).toLowerCase();
    fail(
      word.text === ""
        ? `a value is missing in the field "${name}"`
        : `"${shorten(word.text)}" is no ${name}`,
      word,
      /^[a-z]{4,9}$/i.test(word.text) && names.includes(short)
        ? `write "${short}"`
        : `${article} ${name} is ${range}`,
    );
  }
  const value = Number(word.text);
  if (value < low || value > high) fail(`${word.text} is no ${name}`, word, `${article} ${name} is ${range}`);
  return value;
}

/** `L`, `L-3`, `LW`, `15W` in the day of month; `5L`, `fri#2` in the day of week. */
function parseSpecial(part: Word, name: CronFieldName, extended: boolean, fail: Fail): CronItem | undefined {
  const text = part.text.toUpperCase();
  let item: CronItem | undefined;
  if (name === "day of month") {
    const last = /^L(?:-(\d{1,2}))?$/.exec(text);
    const workday = /^(?:(\d{1,2})|L)W$/.exec(text);
    if (last) {
      const before = Number(last[1] ?? 0);
      if (before > 30) fail(`no month has a day ${before} before its last`, part);
      item = { kind: "last-day", before };
    } else if (workday) {
      const day = workday[1] === undefined ? undefined : Number(workday[1]);
      if (day !== undefined && (day < 1 || day > 31)) fail(`${day} is no day of month`, part);
      item = { kind: "nearest-workday", day };
    }
  } else if (name === "day of week") {
    const match = /^([0-7]|[A-Z]{3})(?:L|#(\d{1,2}))$/.exec(text);
    if (match) {
      const [, day = "", nth] = match;
      const weekday = parseValue({ text: day, index: part.index }, name, fail) % 7;
      if (nth !== undefined && (Number(nth) < 1 || Number(nth) > 5))
        fail(`no month has ${Number(nth)} of one weekday`, part, "# takes 1 to 5");
      item = { kind: "nth-weekday", weekday, nth: nth === undefined ? undefined : Number(nth) };
    }
  }
  if (item && !extended) needExtended(part, fail);
  return item;
}

function needExtended(word: Word, fail: Fail): never {
  return fail(`"${word.text}" is not part of plain cron`, word, "L, W, # and ? have to be allowed first");
}

/** `0 0 30 2 *` would wait for ever: an expression that names only days which its months do not have is a mistake. */
function refuseImpossibleDay(
  fields: Readonly<Record<CronFieldName, CronField>>,
  word: Word,
  fail: Fail,
): void {
  const days = fields["day of month"];
  const weekdays = fields["day of week"];
  if (!days.isStar && !weekdays.isStar) return;
  const longest = Math.max(
    ...fields.month.items.flatMap((item) =>
      item.kind === "range"
        ? longestMonths.filter(
            (_, i) => i + 1 >= item.from && i + 1 <= item.to && (i + 1 - item.from) % item.step === 0,
          )
        : [],
    ),
  );
  const earliest = Math.min(
    ...days.items.map((item) =>
      item.kind === "range" ? item.from : item.kind === "nearest-workday" ? (item.day ?? 1) : 1,
    ),
  );
  if (earliest > longest) fail(`no month that it names has a day ${earliest}`, word);
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
