import { AuroraError } from "../errors.ts";
import { mergeLogs } from "../lifecycle/merge-logs.ts";
import { type LogLine, type LogPositions, MAX_LINES, readLogs } from "../lifecycle/read-logs.ts";
import { unknownPack } from "../lifecycle/unknown-pack.ts";
import { knownPackIds } from "../registry/packs.ts";
import { namesIn } from "../system/names-in.ts";
import { parseDuration } from "../system/units.ts";
import { type Context, type Input } from "./command.ts";
import { ownDirectory, ownPackId } from "./shared/own-pack.ts";
import { checkPackId, openForReading } from "./shared/workspace.ts";

const DEFAULT_COUNT = 100;
/** How often new lines are looked for with `-f`, in milliseconds. */
const POLL_MS = 200;

export async function run(
  context: Context,
  { args: packIds, options }: Input<"follow", "number" | "since">,
): Promise<LogLine[] | undefined> {
  const since = await sinceOption(context, options.since);
  const count = countOption(options.number, since !== undefined);
  const isFollowed = options.follow === true;
  const directories = await logDirectoriesOf(context, packIds);
  const read = logReader(directories, { since, isFollowed });
  const isMany = packIds.length !== 1;
  const write = (lines: readonly LogLine[]) => {
    const texts = lines.map((line) => (context.json ? JSON.stringify(line) : lineText(line, isMany)));
    if (texts.length > 0) context.stdout.write(`${texts.join("\n")}\n`);
  };
  if (!isFollowed && context.json) return read(count);
  write(read(count));
  if (!isFollowed) return undefined;
  while (!context.signal.aborted) {
    await Bun.sleep(POLL_MS);
    write(read(MAX_LINES));
  }
  return undefined;
}

/**
 * Reads what has come to the logs of several packs since the last time, in the order of time.
 *
 * @param directories where the logs of each pack are, now: there may be more of them the next time
 */
function logReader(
  directories: () => ReadonlyMap<string, string>,
  how: { since: string | undefined; isFollowed: boolean },
): (count: number) => LogLine[] {
  const positions = new Map<string, LogPositions>();
  return (count) => {
    const logs = [...directories()].map(([packId, directory]) => {
      const known: LogPositions = positions.get(packId) ?? new Map();
      positions.set(packId, known);
      return readLogs(directory, packId, { count, positions: known, ...how });
    });
    return mergeLogs(logs).slice(-count);
  };
}

/** Of the packs that were named, or else of all that are installed, one that is installed later included. */
async function logDirectoriesOf(
  context: Context,
  packIds: readonly string[],
): Promise<() => ReadonlyMap<string, string>> {
  const own = ownPackId(context);
  const named = packIds.length > 0 || own === undefined ? packIds : [own];
  if (named.length === 0) {
    using workspace = await openForReading(context);
    const { paths } = workspace;
    return () => new Map(namesIn(paths.live).map((packId) => [packId, paths.logsOf(packId)]));
  }
  const directories = new Map<string, string>();
  for (const packId of named) directories.set(packId, await logDirectoryOf(context, packId));
  return () => directories;
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
  const ago = parseDuration(text.replace(/ ago$/, ""));
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

function lineText({ at, pack_id: packId, source, stream, line }: LogLine, isMany: boolean): string {
  return `${at} ${isMany ? `${packId} ` : ""}${source}${stream === "stderr" ? "!" : ":"} ${line}`;
}
