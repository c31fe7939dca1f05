import { checkJobName, misfires, overlaps } from "../../daemon/jobs/check-job.ts";
import { type JobView } from "../../daemon/jobs/job-view.ts";
import { AuroraError } from "../../errors.ts";
import { type JobSpec } from "../../lifecycle/jobs.ts";
import { MAX_EVERY_MS, MAX_RETRIES, MIN_EVERY_MS } from "../../manifest/limits.ts";
import { compileCron } from "../../scheduler/cron.ts";
import { parseDuration } from "../../system/units.ts";
import { type Context, type Input } from "../command.ts";
import { ensureDaemon } from "../shared/ensure-daemon.ts";
import { nextText, withOwnJobs } from "../shared/jobs.ts";
import { machineTimezone, parseMoment } from "../shared/local-time.ts";
import { isConfined } from "../shared/workspace.ts";

type Values =
  | "name"
  | "cron"
  | "every"
  | "at"
  | "in"
  | "timezone"
  | "overlap"
  | "misfire"
  | "timeout"
  | "retries"
  | "jitter";
type AddInput = Input<never, Values, "tag">;

export async function run(
  context: Context,
  { args: [packId = ""], rest, options }: AddInput,
): Promise<JobView> {
  const name = nameOption(options.name);
  if (rest.length === 0)
    throw new AuroraError("usage", '"schedule add" needs a command after "--"', {
      hint: "aurora schedule add PACK --name NAME --every 1h -- CMD…",
    });
  const spec: JobSpec = {
    schedule: scheduleOption(context, options),
    command: [...rest],
    tags: tagOptions(options.tag ?? []),
    timeout_ms: durationOption("timeout", options.timeout, 1) ?? null,
    overlap: choice("overlap", options.overlap, overlaps) ?? "skip",
    misfire: choice("misfire", options.misfire, misfires) ?? "run-once",
    retries: retriesOption(options.retries),
    jitter_ms: durationOption("jitter", options.jitter, 0) ?? 0,
  };
  const job = await withOwnJobs(context, packId, "schedule add", { name, spec });
  if (isConfined(context)) return job;
  return (await ensureDaemon(context)) ? { ...job, why_not_running: null } : job;
}

function nameOption(name: string | undefined): string {
  if (name === undefined)
    throw new AuroraError("usage", '"schedule add" needs --name NAME', {
      hint: "aurora schedule add PACK --name NAME --every 1h -- CMD…",
    });
  return checkJobName(name);
}

/** Exactly one of --cron, --every, --at and --in. */
function scheduleOption(context: Context, options: AddInput["options"]): JobSpec["schedule"] {
  const given = (["cron", "every", "at", "in"] as const).filter((key) => options[key] !== undefined);
  const [kind, other] = given;
  if (kind === undefined || other !== undefined)
    throw new AuroraError(
      "usage",
      kind === undefined ? '"schedule add" needs a time' : `--${kind} and --${other} exclude each other`,
      { hint: "give one of --cron, --every, --at and --in" },
    );
  if (options.timezone !== undefined && kind !== "cron" && kind !== "at")
    throw new AuroraError("usage", `--timezone has no meaning beside --${kind}`);
  const text = options[kind] as string;
  // Whoever runs the jobs may have another $TZ: it is kept what the operator is told now.
  const timezone = options.timezone ?? machineTimezone();
  if (kind === "cron") {
    compileCron(text, timezone);
    return { kind, expression: text, timezone };
  }
  if (kind === "every") return { kind, interval_ms: durationOption("every", text, MIN_EVERY_MS) ?? 0 };
  const nowMs = context.now().getTime();
  if (kind === "in") return { kind: "at", at_ms: nowMs + (durationOption("in", text, 0) ?? 0) };
  const atMs = parseMoment("--at", text, timezone);
  if (atMs < nowMs)
    throw new AuroraError("usage", `cannot run a job at ${new Date(atMs).toISOString()}: that is past`);
  return { kind, at_ms: atMs };
}

function durationOption(option: string, text: string | undefined, leastMs: number): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= leastMs && ms <= MAX_EVERY_MS) return ms;
  throw new AuroraError(
    "usage",
    `cannot read --${option} "${text}": it is not a time from ${leastMs}ms to 3660d`,
    {
      hint: "write 30s, 5m or 1h30m",
    },
  );
}

function choice<const Choice extends string>(
  option: string,
  text: string | undefined,
  choices: readonly Choice[],
): Choice | undefined {
  const found = choices.find((one) => one === text);
  if (text === undefined || found !== undefined) return found;
  throw new AuroraError("usage", `cannot read --${option} "${text}"`, {
    hint: `one of ${choices.join(", ")}`,
  });
}

function retriesOption(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^\d{1,3}$/.test(text) && Number(text) <= MAX_RETRIES) return Number(text);
  throw new AuroraError(
    "usage",
    `cannot read --retries "${text}": it is not a number from 0 to ${MAX_RETRIES}`,
  );
}

/** `gpu` or `gpu=2`. */
function tagOptions(texts: readonly string[]): Record<string, number> {
  const tags: Record<string, number> = {};
  for (const text of texts) {
    const [, tag = "", amount = "1"] =
      /^([a-z0-9][a-z0-9_-]{0,63})(?:=([1-9]\d{0,2}|1000))?$/.exec(text) ?? [];
    if (tag === "" || Object.hasOwn(tags, tag))
      throw new AuroraError("usage", `cannot read --tag "${text}"`, {
        hint: "write gpu, or gpu=2, each tag once",
      });
    tags[tag] = Number(amount);
  }
  return tags;
}

export function render(job: JobView): string {
  const why = job.why_not_running;
  const hint = why === null ? "" : `\n${why}: aurora schedule run --foreground does`;
  return `${job.id} is added: ${job.spec}, next run ${nextText(job)}${hint}`;
}
