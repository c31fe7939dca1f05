import { expect, test } from "bun:test";

import { describeCron } from "../../src/scheduler/describe-cron.ts";
import { parseCron } from "../../src/scheduler/parse-cron.ts";
import { randomFrom } from "../support/random.ts";
import { randomCron } from "./random-cron.ts";

test.each([
  ["* * * * *", "every minute"],
  ["*/15 * * * *", "every 15 minutes"],
  ["*/7 * * * *", "every 7 minutes from minute 0 on"],
  ["0 * * * *", "every hour, on the hour"],
  ["5,35 * * * *", "at minutes 5 and 35 of every hour"],
  ["5 */6 * * *", "at minute 5, every 6 hours"],
  ["0 3 * * *", "at 03:00"],
  ["0,30 3,15 * * *", "at 03:00, 03:30, 15:00 and 15:30"],
  ["0 0-9 * * *", "at minute 0, in hours 0 to 9"],
  ["*/15 9-17 * * 1-5", "every 15 minutes, in hours 9 to 17, on Monday to Friday"],
  ["0 0 1 1 *", "at 00:00, on day 1 of the month, in January"],
  ["0 0 1,15 * *", "at 00:00, on days 1 and 15 of the month"],
  ["0 0 13 * 5", "at 00:00, on day 13 of the month or on Friday"],
  ["0 0 */2 * 1", "at 00:00, on days 1, 3 and so on to 31 of the month, if that is also Monday"],
  ["0 0 * * 0,6-7", "at 00:00, on Sunday and Saturday to Sunday"],
  ["@weekly", "at 00:00, on Sunday"],
  ["* * * * * *", "every second"],
  ["*/10 * * * * *", "every 10 seconds"],
  ["30 * * * * *", "at second 30 of every minute"],
  ["30 15 9 * * *", "at 09:15:30"],
  ["*/10 5 * * * *", "every 10 seconds, at minute 5 of every hour"],
  ["0 0 L * *", "at 00:00, on the last day of the month"],
  ["0 0 1,L-3 * *", "at 00:00, on day 1 and the day 3 days before the last of the month"],
  ["0 0 15W,LW * *", "at 00:00, on the workday nearest to day 15 and the last workday of the month"],
  ["0 0 ? * fri#2,1L", "at 00:00, on the second Friday of the month and the last Monday of the month"],
])("%s: %s", (text, words) => {
  expect(describeCron(parseCron(text, { extended: true }))).toBe(words);
});

test("every expression has words, without a hole in them", () => {
  const random = randomFrom(5);
  for (let i = 0; i < 5000; i++) {
    const { text } = randomCron(random);
    const words = describeCron(parseCron(text));
    if (!/^[A-Za-z0-9:, ]+$/.test(words) || /undefined|NaN|, ,| {2}|,$| $/.test(words))
      expect([text, words]).toEqual([text, "words"]);
  }
});
