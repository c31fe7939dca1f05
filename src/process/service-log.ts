import { appendFileSync } from "node:fs";

/** A service's log that has grown to this is put aside, as soon as that is noticed and its last line is whole. */
export const MAX_SERVICE_LOG_BYTES = 8 * 1024 ** 2;
/** The same for the index: a service that prints a few bytes every second has more notes than lines. */
export const MAX_SERVICE_INDEX_BYTES = 2 * 1024 ** 2;
/** So many old logs are kept of each stream, as `<log>.1` (the newest) and so on. */
export const KEPT_SERVICE_LOGS = 3;

export type LogStream = "stdout" | "stderr";
export const LOG_STREAMS: readonly LogStream[] = ["stdout", "stderr"];

/** Where what a service prints goes: by descriptor, untouched, with a time index beside it. */
export function serviceLogs(logDirectory: string) {
  return {
    stdout: `${logDirectory}/service.stdout.log`,
    stderr: `${logDirectory}/service.stderr.log`,
    index: `${logDirectory}/service.index`,
  };
}

export type TimeIndexEntry = { at: string; stdout: number; stderr: number };

/**
 * Notes how long the two logs were at a moment. A service writes them itself, so a line's time is known only to lie between
 * two notes; `logs` shows the earlier one.
 *
 * @returns how many bytes that took
 */
export function appendTimeIndex(
  logDirectory: string,
  at: string,
  sizes: { stdout: number; stderr: number },
): number {
  const entry: TimeIndexEntry = { at, ...sizes };
  const line = `${JSON.stringify(entry)}\n`;
  appendFileSync(serviceLogs(logDirectory).index, line, { mode: 0o640 });
  return line.length;
}
