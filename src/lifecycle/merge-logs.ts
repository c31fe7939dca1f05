import { type LogLine } from "./read-logs.ts";

/** Lines are apart by less though somebody wrote them at the same time, and clocks are set right by less all the time. */
const SET_BACK_MS = 60_000;

/** Where a line belongs: how often the clock was set back after it, and its time, or the one before it where that is later. */
type Placed = { line: LogLine; setBacks: number; at: string };

/**
 * Merges logs by time, oldest line first. The lines of one log keep their order whatever their times say, and what was written
 * since the clock was set back comes last: after an hour that was wrong, the newest lines are not an hour old. Pure.
 */
export function mergeLogs(logs: readonly (readonly LogLine[])[]): LogLine[] {
  const filled = logs.filter(({ length }) => length > 0);
  if (filled.length <= 1) return [...(filled[0] ?? [])];
  return filled
    .flatMap(placed)
    .toSorted((a, b) => b.setBacks - a.setBacks || (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
    .map(({ line }) => line);
}

function placed(log: readonly LogLine[]): Placed[] {
  let setBacks = 0;
  let latest = "";
  const lines = log.map((line): Placed => {
    // A line without a time was written after the one before it.
    if (line.at >= latest) latest = line.at;
    else if (Date.parse(latest) - Date.parse(line.at) > SET_BACK_MS) {
      setBacks++;
      latest = line.at;
    }
    return { line, setBacks, at: latest };
  });
  for (const each of lines) each.setBacks = setBacks - each.setBacks;
  return lines;
}
