import { closeSync, fstatSync, ftruncateSync, readFileSync, readSync } from "node:fs";

import { LOG_STREAMS, type LogStream, serviceLogs, type TimeIndexEntry } from "../process/service-log.ts";
import { writeFully } from "../system/durable.ts";
import { openRegular } from "../system/open-untrusted.ts";
import { type FrozenTree } from "./freeze-tree.ts";

/** So much of the end of each log is kept. */
export const KEPT_BYTES = 1024 ** 2;
const NEWLINE = 0x0a;

const buffer = Buffer.allocUnsafeSlow(KEPT_BYTES);

/**
 * For a disk that has no room for a copy of the logs, and no older ones that could go: what is oldest in the logs themselves goes.
 * The service stands still meanwhile, and then writes on through the descriptors that it has.
 *
 * A crash in the middle may lose what was to be kept as well: there is no room to have it twice.
 *
 * @param freeze makes the service stand still; undefined where it cannot
 * @returns whether anything was cut
 */
export async function cutServiceLogs(
  logDirectory: string,
  freeze: () => Promise<FrozenTree | undefined>,
): Promise<boolean> {
  const frozen = await freeze();
  if (!frozen) return false;
  try {
    // From here on without a turn of the event loop, in which somebody could wake it.
    if (!frozen.holds()) return false;
    const paths = serviceLogs(logDirectory);
    const cut = { stdout: 0, stderr: 0 };
    for (const stream of LOG_STREAMS) cut[stream] = cutLog(paths[stream]);
    if (cut.stdout === 0 && cut.stderr === 0) return false;
    shiftIndex(paths.index, cut);
    return true;
  } finally {
    frozen.thaw();
  }
}

/** Returns how much is gone from its beginning: whole lines, but for one that is longer than all that is kept. */
function cutLog(path: string): number {
  const log = openRegular(path, "append");
  if (log === undefined) return 0;
  try {
    const { size } = fstatSync(log);
    if (size <= KEPT_BYTES) return 0;
    const length = readSync(log, buffer, 0, KEPT_BYTES, size - KEPT_BYTES);
    const kept = buffer.subarray(buffer.subarray(0, length).indexOf(NEWLINE) + 1, length);
    ftruncateSync(log, 0);
    writeFully(log, kept);
    return size - kept.length;
  } finally {
    closeSync(log);
  }
}

/** The notes are about other places in the logs now; the newest of those about what is gone is about the beginning. */
function shiftIndex(path: string, cut: Readonly<Record<LogStream, number>>): void {
  const index = openRegular(path, "append");
  if (index === undefined) return;
  try {
    const shifted = readFileSync(index, "utf8")
      .split("\n")
      .flatMap((line) => shiftedEntry(line, cut));
    const first = shifted.findLastIndex(({ stdout, stderr }) => stdout === 0 && stderr === 0);
    ftruncateSync(index, 0);
    const lines = shifted.slice(Math.max(0, first)).map((entry) => `${JSON.stringify(entry)}\n`);
    writeFully(index, Buffer.from(lines.join("")));
  } finally {
    closeSync(index);
  }
}

/** A note that a full disk or a crash has torn is none. */
function shiftedEntry(line: string, cut: Readonly<Record<LogStream, number>>): TimeIndexEntry[] {
  try {
    const { at, stdout, stderr } = JSON.parse(line) as TimeIndexEntry;
    return [{ at, stdout: Math.max(0, stdout - cut.stdout), stderr: Math.max(0, stderr - cut.stderr) }];
  } catch {
    return [];
  }
}
