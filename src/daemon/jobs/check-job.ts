import { AuroraError } from "../../errors.ts";
import { isRecord } from "../../lifecycle/channel/protocol.ts";
import { type JobSpec } from "../../lifecycle/jobs.ts";
import { MAX_EVERY_MS, MAX_RETRIES, MIN_EVERY_MS } from "../../manifest/limits.ts";
import { compileCron } from "../../scheduler/cron.ts";

export type NewJob = { name: string; spec: JobSpec };

export const overlaps = ["skip", "queue", "allow", "replace"] as const;
export const misfires = ["run-once", "skip", "run-all"] as const;

const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const MAX_WORDS = 1000;
const MAX_COMMAND_BYTES = 128 * 1024;
const MAX_TEXT = 1000;
const MAX_TAGS = 100;
const LAST_MS = Date.UTC(9999, 11, 31);

/** Checks the name of a new job. Throws `usage`. */
export function checkJobName(name: unknown): string {
  if (typeof name === "string" && NAME.test(name)) return name;
  throw new AuroraError("usage", `cannot name a job "${String(name)}"`, {
    hint: "a name has 1 to 64 of a-z, 0-9, _ and -, and begins with a letter or a digit",
  });
}

/**
 * Checks what a job is to be, which may come from anywhere. Its command is run as the pack, confined like all of it.
 *
 * @throws {AuroraError} `usage`
 */
export function checkJobSpec(value: unknown): JobSpec {
  const { schedule, command, tags, timeout_ms, overlap, misfire, retries, jitter_ms } = isRecord(value)
    ? value
    : {};
  return {
    schedule: checkSchedule(schedule),
    command: checkCommand(command),
    tags: checkTags(tags),
    timeout_ms: timeout_ms === null ? null : whole("time limit", timeout_ms, 1, MAX_EVERY_MS),
    overlap: oneOf("overlap", overlap, overlaps),
    misfire: oneOf("misfire", misfire, misfires),
    retries: retries === null ? null : whole("number of retries", retries, 0, MAX_RETRIES),
    jitter_ms: whole("jitter", jitter_ms, 0, MAX_EVERY_MS),
  };
}

function checkSchedule(value: unknown): JobSpec["schedule"] {
  const { kind, expression, timezone, interval_ms, at_ms } = isRecord(value) ? value : {};
  switch (kind) {
    case "cron":
      if (!isText(expression) || (timezone !== null && !isText(timezone))) throw unfit("cron expression");
      compileCron(expression, timezone ?? "UTC");
      return { kind, expression, timezone };
    case "every":
      return { kind, interval_ms: whole("interval", interval_ms, MIN_EVERY_MS, MAX_EVERY_MS) };
    case "at":
      return { kind, at_ms: whole("moment", at_ms, 0, LAST_MS) };
    default:
      throw unfit("time");
  }
}

function checkCommand(value: unknown): string[] {
  const isCommand =
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= MAX_WORDS &&
    value.every((word) => typeof word === "string" && !word.includes("\0")) &&
    Buffer.byteLength(value.join(" ")) <= MAX_COMMAND_BYTES;
  if (isCommand) return value as string[];
  throw unfit("command");
}

function checkTags(value: unknown): Record<string, number> {
  if (!isRecord(value) || Object.keys(value).length > MAX_TAGS) throw unfit("list of tags");
  for (const [tag, amount] of Object.entries(value)) {
    if (!NAME.test(tag)) throw unfit("tag");
    whole("tag's amount", amount, 1, 1000);
  }
  return value as Record<string, number>;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_TEXT;
}

function whole(what: string, value: unknown, least: number, most: number): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most)
    return value;
  throw unfit(what);
}

function oneOf<const Choice extends string>(
  what: string,
  value: unknown,
  choices: readonly Choice[],
): Choice {
  const found = choices.find((each) => each === value);
  if (found !== undefined) return found;
  throw unfit(what);
}

function unfit(what: string): AuroraError {
  return new AuroraError("usage", `cannot add a job: its ${what} makes no sense`);
}
