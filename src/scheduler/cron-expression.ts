/** One part of a field, as written between commas. Names are numbers already, and Sunday is 0. */
export type CronItem =
  | { kind: "range"; from: number; to: number; step: number }
  /** `L`, `L-3`: so many days before the month's last. */
  | { kind: "last-day"; before: number }
  /** `15W`: the day from Monday to Friday that is nearest to that day, within the month. `LW`: `day` is undefined. */
  | { kind: "nearest-workday"; day: number | undefined }
  /** `5#2`: the second Friday. `5L`: the last one, `nth` is undefined. */
  | { kind: "nth-weekday"; weekday: number; nth: number | undefined };

export type CronField = {
  items: readonly CronItem[];
  /** Begins with `*` (or is `?`): what vixie cron's rules on days and on daylight saving time hang on. */
  isStar: boolean;
};

export const cronFieldNames = ["second", "minute", "hour", "day of month", "month", "day of week"] as const;
export type CronFieldName = (typeof cronFieldNames)[number];

/** What the text of a cron expression says. `parseCron` makes it. */
export type CronExpression = {
  text: string;
  /** Six fields, the first of them seconds. */
  hasSeconds: boolean;
  fields: Readonly<Record<CronFieldName, CronField>>;
};
