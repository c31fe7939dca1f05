import { AuroraError } from "../errors.ts";
import { type LogLine, type LogPositions, MAX_LINES, readLogs } from "../lifecycle/read-logs.ts";
import { unknownPack } from "../lifecycle/unknown-pack.ts";
import { knownPackIds } from "../registry/packs.ts";
import { parseDuration } from "../system/units.ts";
import { type Context, type Input } from "./command.ts";
import { checkPackId, openForReading } from "./shared/workspace.ts";

const DEFAULT_COUNT = 100;
/** How often new lines are looked for with `-f`, in milliseconds. */
const POLL_MS = 200;

export async function run(
  context: Context,
  { args: [packId = ""], options }: Input<"follow", "number" | "since">,
): Promise<LogLine[] | undefined> {
  const since = sinceOption(context, options.since);
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
  using workspace = await openForReading(context);
  if (!knownPackIds(workspace.registry).includes(checkPackId(packId)))
    throw unknownPack(workspace, packId, "is not known");
  return workspace.paths.logsOf(packId);
}

function countOption(text: string | undefined, isTimed: boolean): number {
  if (text === undefined) return isTimed ? MAX_LINES : DEFAULT_COUNT;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new AuroraError("usage", `cannot read -n "${text}": it is not a number of lines`);
}

/** `10m` ago, or a moment in RFC 3339. */
function sinceOption(context: Context, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const ago = parseDuration(text);
  const at = ago === undefined ? Date.parse(text) : context.now().getTime() - ago;
  if (!Number.isNaN(at)) return new Date(at).toISOString();
  throw new AuroraError("usage", `cannot read --since "${text}": it is neither a duration nor a time`, {
    hint: "write 10m, or 2026-01-31T12:00:00Z",
  });
}

function lineText({ at, source, stream, line }: LogLine): string {
  return `${at} ${source}${stream === "stderr" ? "!" : ":"} ${line}`;
}

export function render(lines: LogLine[]): string {
  return lines.map(lineText).join("\n");
}
