import { compileCron, type Cron, type CronRun } from "../../scheduler/cron.ts";
import { describeCron } from "../../scheduler/describe-cron.ts";
import { type Context, type Input, type Paint } from "../command.ts";
import { localText, machineTimezone, parseCount, parseMoment } from "../shared/local-time.ts";
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
  const timezone = options.timezone ?? machineTimezone();
  const cron = compileCron(expression, timezone, { extended: options.extended });
  const from =
    options.from === undefined ? context.now().getTime() : parseMoment("--from", options.from, timezone);
  const runs: Run[] = [];
  let at: number | undefined = from - 1;
  for (let left = parseCount(options.number, DEFAULT_RUNS, MAX_RUNS); left > 0; left--) {
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
