import { AuroraError } from "../../errors.ts";
import { compileCron, type Cron, type CronRun } from "../../scheduler/cron.ts";
import { describeCron } from "../../scheduler/describe-cron.ts";
import { type Context, type Input, type Paint } from "../command.ts";
import { table } from "../shared/text-table.ts";

const DEFAULT_RUNS = 5;
/** The largest `-n`. */
export const MAX_RUNS = 1000;

type Run = { at: string; local: string; note: string | null };
type Result = { expression: string; timezone: string; description: string; next: string[]; runs: Run[] };

export function run(
  context: Context,
  { args: [expression = ""], options }: Input<"extended", "timezone" | "from" | "number">,
): Result {
  const timezone = options.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const cron = compileCron(expression, timezone, { extended: options.extended });
  const from = options.from === undefined ? context.now().getTime() : parseFrom(options.from, timezone);
  const runs: Run[] = [];
  let at: number | undefined = from - 1;
  for (let left = parseNumber(options.number); left > 0; left--) {
    at = cron.next(at);
    if (at === undefined) break;
    runs.push(describeRun(cron, cron.explain(at)));
  }
  return {
    expression,
    timezone,
    description: describeCron(cron.expression),
    next: runs.map((one) => one.at),
    runs,
  };
}

export function render({ description, timezone, runs }: Result, paint: Paint): string {
  const heading = `${paint.bold(description)} (${timezone})`;
  if (runs.length === 0) return `${heading}\n\nno run in the next hundred years`;
  const rows = runs.map(({ at, local, note }) => [local, at, note ?? ""]);
  return `${heading}\n\n${table(["LOCAL TIME", "UTC", "NOTE"], rows)}`;
}

function describeRun(cron: Cron, found: CronRun): Run {
  const moment = Temporal.Instant.fromEpochMilliseconds(found.atMs).toZonedDateTimeISO(cron.zone.name);
  return {
    at: new Date(found.atMs).toISOString(),
    local: localText(moment),
    note: noteOf(cron, found, moment),
  };
}

/** What a change of the clocks did to a run, in words. */
function noteOf(
  { zone, isWild }: Cron,
  { shift, wantedLocal, atMs }: CronRun,
  moment: Temporal.ZonedDateTime,
) {
  if (shift === undefined) return null;
  if (shift === "moved") {
    const { start, offset, offsetBefore } = zone.segmentAt(atMs / 1000);
    const [wanted, left, reached] = [wantedLocal as number, start + offsetBefore, start + offset].map(
      timeOfDay,
    );
    return `${wanted} is left out: the clocks go from ${left} to ${reached}`;
  }
  const time = moment.toPlainTime().toString({ smallestUnit: "minute" });
  if (shift === "second-pass") return `${time} comes twice: this is the second`;
  return `${time} comes twice: this is the first${isWild ? "" : ", and it runs only then"}`;
}

function timeOfDay(localSeconds: number): string {
  return new Date(localSeconds * 1000).toISOString().slice(11, 16);
}

const weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** "Mon 2026-03-30 03:00 +02:00", with seconds where there are any. */
function localText(moment: Temporal.ZonedDateTime): string {
  const time = moment.toPlainTime().toString({ smallestUnit: moment.second === 0 ? "minute" : "second" });
  return `${weekdays[moment.dayOfWeek - 1]} ${moment.toPlainDate().toString()} ${time} ${moment.offset}`;
}

/** A time with its distance from UTC, or a date or local time of the zone. */
function parseFrom(text: string, timezone: string): number {
  if (/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?$/.test(text)) {
    try {
      return Temporal.PlainDateTime.from(text).toZonedDateTime(timezone).epochMilliseconds;
    } catch {
      throw badTime(text);
    }
  }
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/.test(text)) throw badTime(text);
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw badTime(text);
  return ms;
}

function badTime(text: string): AuroraError {
  return new AuroraError("usage", `cannot read --from "${text}": it is not a time`, {
    hint: "write 2026-03-28, 2026-03-28T12:00 or 2026-03-28T12:00:00Z",
  });
}

function parseNumber(text: string | undefined): number {
  if (text === undefined) return DEFAULT_RUNS;
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= MAX_RUNS) return count;
  throw new AuroraError("usage", `cannot read --number "${text}": it is not a number from 1 to ${MAX_RUNS}`);
}
