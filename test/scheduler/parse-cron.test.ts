import { describe, expect, test } from "bun:test";

import { AuroraError } from "../../src/errors.ts";
import { Cron } from "../../src/scheduler/cron.ts";
import { MAX_CRON_LENGTH, parseCron } from "../../src/scheduler/parse-cron.ts";
import { TimeZone } from "../../src/scheduler/time-zone.ts";
import { randomFrom } from "../support/random.ts";
import { randomCron } from "./random-cron.ts";

function faultOf(
  text: string,
  extended = false,
): { message: string; column: number; hint: string | undefined } {
  try {
    parseCron(text, { extended });
  } catch (thrown) {
    if (!(thrown instanceof AuroraError)) throw thrown;
    const [diagnostic] = thrown.diagnostics;
    expect([thrown.code, diagnostic?.source?.text]).toEqual(["usage", text]);
    return {
      message: thrown.message.replace(/^cannot read the cron expression ".*": /s, ""),
      column: diagnostic?.source?.column ?? 0,
      hint: thrown.hint,
    };
  }
  throw new Error(`"${text}" was accepted`);
}

describe("a fault is told with its place", () => {
  test.each([
    ["", 1, "it is empty", 'write five fields, such as "0 3 * * *"'],
    ["* * *", 6, "it has 3 fields, not 5 or 6", undefined],
    ["0 0 0 1 1 * *", 13, "it has 7 fields, not 5 or 6", undefined],
    ["60 * * * *", 1, "60 is no minute", "a minute is 0 to 59"],
    ["0 24 * * *", 3, "24 is no hour", "an hour is 0 to 23"],
    ["0 0 0 * *", 5, "0 is no day of month", "a day of month is 1 to 31"],
    ["0 0 * 13 *", 7, "13 is no month", "a month is 1 to 12 or jan to dec"],
    ["0 0 * * 8", 9, "8 is no day of week", "a day of week is 0 to 7 or sun to sat"],
    ["0 0 * * monday", 9, '"monday" is no day of week', 'write "mon"'],
    ["0 0 * * mon-fry", 13, '"fry" is no day of week', undefined],
    ["1,,2 * * * *", 3, 'a value is missing in the field "minute"', undefined],
    ["1, * * * *", 3, 'a value is missing in the field "minute"', undefined],
    ["1- * * * *", 3, 'a value is missing in the field "minute"', undefined],
    ["-5 * * * *", 1, 'a value is missing in the field "minute"', undefined],
    ["5/15 * * * *", 1, "a step needs a range", 'write "5-59/15"'],
    ["*/0 * * * *", 3, "a step of 0 never arrives", undefined],
    ["*/x * * * *", 3, '"x" is no step', undefined],
    ["*/90 * * * *", 1, "the step 90 is larger than its range", '"0" means the same'],
    ["0 22-2 * * *", 3, 'the range "22-2" runs backwards', 'write two ranges: "22-23,0-2"'],
    ["0 0 * * fri-sun", 9, 'the range "fri-sun" runs backwards', 'write "fri-7"'],
    ["0 0 30 2 *", 5, "no month that it names has a day 30", undefined],
    ["0 0 31 4,6 *", 5, "no month that it names has a day 31", undefined],
    ["0 0 L * *", 5, '"L" is not part of plain cron', "L, W, # and ? have to be allowed first"],
    ["0 0 ? * 1", 5, '"?" is not part of plain cron', undefined],
    ["@every 5m", 1, '"@every" is no known name', undefined],
    ["@reboot", 1, '"@reboot" is no time', undefined],
    ["@daily 3", 8, 'nothing may follow "@daily"', undefined],
    ["1.5 * * * *", 1, '"1.5" is no minute', undefined],
    ["+5 * * * *", 1, '"+5" is no minute', undefined],
    ["99999 * * * *", 1, '"99999" is no minute', undefined],
  ])("%s", (text, column, message, hint) => {
    const fault = faultOf(text);
    expect({ ...fault, hint: hint === undefined ? undefined : fault.hint }).toEqual({
      message,
      column,
      hint,
    });
  });

  test(`longer than ${MAX_CRON_LENGTH} characters`, () => {
    expect(faultOf(`${"1,".repeat(600)}1 * * * *`)).toMatchObject({
      message: `it is longer than ${MAX_CRON_LENGTH} characters`,
      column: MAX_CRON_LENGTH + 1,
    });
    const longest = `0 0 * * ${"1,".repeat(495)}2`.padEnd(MAX_CRON_LENGTH);
    expect(parseCron(longest).text.length).toBe(MAX_CRON_LENGTH);
  });

  test.each([
    ["0 0 32W * *", 5, "32 is no day of month"],
    ["0 0 L-31 * *", 5, "no month has a day 31 before its last"],
    ["0 0 * * 5#6", 9, "no month has 6 of one weekday"],
    ["0 0 * * L", 9, '"L" is no day of week'],
    ["0 0 1-5W * *", 7, '"5W" is no day of month'],
  ])("extended: %s", (text, column, message) => {
    expect(faultOf(text, true)).toMatchObject({ message, column });
  });
});

describe("the same written differently", () => {
  test.each([
    ["@hourly", "0 * * * *"],
    ["@Daily", "0 0 * * *"],
    ["@midnight", "0 0 * * *"],
    ["@weekly", "0 0 * * 7"],
    ["@monthly", "0 0 1 * *"],
    ["@yearly", "0 0 1 jan *"],
    ["@annually", "0 0 1 1 *"],
    ["  5\t4 * *  SUN ", "5 4 * * 0"],
    ["0 0 * FEB-apr Mon,wed", "0 0 * 2-4 1,3"],
    ["0 0 * * 5-7", "0 0 * * 5,6,0"],
    ["0 5 4 * * *", "5 4 * * *"],
  ])("%s is %s", (one, other) => {
    const runs = (text: string) => {
      const cron = new Cron(parseCron(text), TimeZone.named("UTC"));
      const found: number[] = [];
      for (let at: number | undefined = Date.UTC(2026, 0, 1); at !== undefined && found.length < 20;)
        if ((at = cron.next(at)) !== undefined) found.push(at);
      return found;
    };
    expect(runs(one)).toEqual(runs(other));
  });
});

describe("fuzz", () => {
  /** Every text is read or refused with a place in it, and what is read has a next run or none, in bounded time. */
  function probe(text: string, isExtended: boolean): "read" | "refused" {
    try {
      const cron = new Cron(parseCron(text, { extended: isExtended }), TimeZone.named("Europe/Berlin"));
      const from = Date.UTC(2026, 2, 1);
      const next = cron.next(from);
      if (next !== undefined && !(next > from && Number.isInteger(next / 1000)))
        throw new Error(`"${text}" runs at ${next}`);
      return "read";
    } catch (thrown) {
      if (!(thrown instanceof AuroraError)) throw new Error(`"${text}" broke the reader`, { cause: thrown });
      const { source } = thrown.diagnostics[0] ?? {};
      if (!source || source.column < 1 || source.column > text.length + 1)
        throw new Error(`"${text}" is refused at ${source?.column}`, { cause: thrown });
      return "refused";
    }
  }

  test("random texts", () => {
    const random = randomFrom(7);
    const alphabet = "0123456789*/,-?LW# @ \tjanmonfrisun\u0000é€\u{1F600}\n+.";
    const counts = { read: 0, refused: 0 };
    for (let i = 0; i < 20_000; i++) {
      let text = "";
      for (let length = Math.floor(random() * 24); length > 0; length--)
        text += alphabet[Math.floor(random() * alphabet.length)];
      counts[probe(text, i % 2 === 0)]++;
    }
    expect(counts.refused).toBeGreaterThan(15_000);
  });

  test("good expressions with one character changed, removed or added", () => {
    const random = randomFrom(8);
    const alphabet = "0123456789*/,-?LW#@ amx";
    const counts = { read: 0, refused: 0 };
    for (let i = 0; i < 20_000; i++) {
      const { text } = randomCron(random);
      const position = Math.floor(random() * (text.length + 1));
      const added = random() < 0.3 ? "" : (alphabet[Math.floor(random() * alphabet.length)] as string);
      const removed = random() < 0.6 ? 1 : 0;
      counts[probe(text.slice(0, position) + added + text.slice(position + removed), i % 2 === 0)]++;
    }
    expect(counts.read).toBeGreaterThan(3000);
    expect(counts.refused).toBeGreaterThan(3000);
  });
});
