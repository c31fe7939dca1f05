import { type PackStatus } from "../../lifecycle/pack-status.ts";
import { formatSize } from "../../system/units.ts";
import { type Paint } from "../command.ts";
import { fit } from "./fit.ts";
import { table } from "./text-table.ts";

const heads = [
  "PACK",
  "VERSION",
  "GENERATION",
  "STATE",
  "HEALTH",
  "PID",
  "SINCE",
  "RESTARTS",
  "MEMORY",
  "CONFINEMENT",
];

function cellsOf(status: PackStatus): string[] {
  const { generation, pid, since, memory_bytes: bytes } = status;
  return [
    status.pack_id,
    status.version,
    generation === null ? "-" : String(generation),
    status.state,
    status.health,
    pid === null ? "-" : String(pid),
    since ?? "-",
    since === null ? "-" : String(status.restarts),
    bytes === null ? "-" : formatSize(bytes),
    status.confinement?.state ?? "-",
  ];
}

/** What a narrow screen does without, in this order. */
const DISPENSABLE = ["CONFINEMENT", "GENERATION", "VERSION", "PID", "SINCE", "MEMORY"];

/** What `status` and `wait` show of packs: a table, and below it what there is to say of them. */
export function renderStatuses(statuses: PackStatus[], _paint: Paint): string {
  if (statuses.length === 0) return "nothing is installed";
  const remarks = statuses.flatMap(remarksOf);
  const shown = table(heads, statuses.map(cellsOf));
  return remarks.length === 0 ? shown : [shown, "", ...remarks].join("\n");
}

/** The same for a screen: no line is wider than it, and where there are too many lines the last one says so. Pure. */
export function statusLines(statuses: PackStatus[], size: { columns: number; rows: number }): string[] {
  if (statuses.length === 0) return [fit("nothing is installed", size.columns)];
  let shownHeads = heads;
  let rows = statuses.map(cellsOf);
  let lines = table(shownHeads, rows).split("\n");
  for (const head of DISPENSABLE) {
    if (lines.every((line) => Bun.stringWidth(line) <= size.columns)) break;
    const column = shownHeads.indexOf(head);
    shownHeads = shownHeads.toSpliced(column, 1);
    rows = rows.map((row) => row.toSpliced(column, 1));
    lines = table(shownHeads, rows).split("\n");
  }
  const remarks = statuses.flatMap(remarksOf);
  const all = remarks.length === 0 ? lines : [...lines, "", ...remarks];
  const left = all.length - size.rows + 1;
  const shown = left <= 1 ? all : [...all.slice(0, size.rows - 1), `… ${left} more lines`];
  return shown.map((line) => fit(line, size.columns));
}

/** Why it is as it is, and what it says of itself. */
function remarksOf({ pack_id: packId, reason, ...status }: PackStatus): string[] {
  const { restarts, last_end: lastEnd, next_start: nextStart, status_text: statusText } = status;
  const times = restarts === 1 ? "once" : `${restarts} times`;
  const wasRestarted = status.state === "running" && restarts > 0 && lastEnd !== null;
  return [
    ...(reason === null
      ? []
      : [`${packId}: ${reason}${nextStart === null ? "" : `; it starts again at ${nextStart}`}`]),
    ...(wasRestarted ? [`${packId}: it was restarted ${times}; the last time ${lastEnd}`] : []),
    ...(statusText === null || statusText === "" ? [] : [`${packId} says: ${statusText}`]),
  ];
}
