import { AuroraError } from "../errors.ts";
import { type LogLine, type LogPositions, MAX_LINES, readLogs } from "../lifecycle/read-logs.ts";
import { unknownPack } from "../lifecycle/unknown-pack.ts";
import { knownPackIds } from "../registry/packs.ts";
import { parseDuration } from "../system/units.ts";
import { type Context, type Input } from "./command.ts";
import { ownDirectory } from "./shared/own-pack.ts";
import { checkPackId, openForReading } from "./shared/workspace.ts";

const DEFAULT_COUNT = 100;
/** How often new lines are looked for with `-f`, in milliseconds. */
const POLL_MS = 200;

export async function run(
  context: Context,
  { args: [packId = ""], options }: Input<"follow", "number" | "since">,
): Promise<LogLine[] | undefined> {
  const since = await sinceOption(context, options.since);
  const count = countOption(options.number, since !== undefined);
  const logDirectory = await logDirectoryOf(context, packId);
  const positions: LogPositions = new Map();
  const isFollowed = options.follow === true;
  const lines = readLogs(logDirectory, packId, { count, since, positions, isFollowed });
  if (!isFollowed) return lines;
  let shown = lines;
  while (!context.signal.aborted) {
    for (const line of shown)
      context.stdout.write(`${context.json ? JSON.stringify(line) : lineText(line)}\n`);
    await Bun.sleep(POLL_MS);
    shown = readLogs(logDirectory, packId, { count: MAX_LINES, since, positions, isFollowed });
  }
  return undefined;
}

async function logDirectoryOf(context: Context, packId: string): Promise<string> {
  const own = ownDirectory(context, checkPackId(packId), "AURORA_LOG_DIR");
  if (own !== undefined) return own;
  using workspace = await openForReading(context);
  if (!knownPackIds(workspace.registry).includes(packId))
    throw unknownPack(workspace, packId, "is not known");
  return workspace.paths.logsOf(packId);
}

function countOption(text: string | undefined, isTimed: boolean): number {
  if (text === undefined) return isTimed ? MAX_LINES : DEFAULT_COUNT;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new AuroraError("usage", `cannot read -n "${text}": it is not a number of lines`);
}

/** `10m` ago, or a moment: in RFC 3339, or a date or a time of this machine's zone. */
async function sinceOption(context: Context, text: string | undefined): Promise<string | undefined> {
  if (text === undefined) return undefined;
  const ago = parseDuration(text);
  if (ago !== undefined) return new Date(Math.max(0, context.now().getTime() - ago)).toISOString();
  const { machineTimezone, parseMoment } = await import("./shared/local-time.ts");
  try {
    return new Date(parseMoment("--since", text, machineTimezone())).toISOString();
  } catch (thrown) {
    throw new AuroraError("usage", `cannot read --since "${text}": it is neither a duration nor a time`, {
      cause: thrown,
      hint: "write 10m, 2026-01-31, 2026-01-31T12:00 or 2026-01-31T12:00:00Z",
    });
  }
}

function lineText({ at, source, stream, line }: LogLine): string {
  return `${at} ${source}${stream === "stderr" ? "!" : ":"} ${line}`;
}

export function render(lines: LogLine[]): string {
  return lines.map(lineText).join("\n");
}
