import { type PackStatus } from "../../lifecycle/pack-status.ts";
import { formatSize } from "../../system/units.ts";
import { type Paint } from "../command.ts";
import { fit } from "./fit.ts";
import { table } from "./text-table.ts";

const columns: Readonly<Record<string, (status: PackStatus) => string>> = {
  PACK: ({ pack_id: packId }) => packId,
  VERSION: ({ version }) => version,
  GENERATION: ({ generation }) => (generation === null ? "-" : String(generation)),
  STATE: ({ state }) => state,
  HEALTH: ({ health }) => health,
  PID: ({ pid }) => (pid === null ? "-" : String(pid)),
  SINCE: ({ since }) => since ?? "-",
  RESTARTS: ({ since, restarts }) => (since === null ? "-" : String(restarts)),
  MEMORY: ({ memory_bytes: bytes }) => (bytes === null ? "-" : formatSize(bytes)),
  CONFINEMENT: ({ confinement }) => confinement?.state ?? "-",
};
/** What a narrow screen does without, in this order. */
const DISPENSABLE = ["CONFINEMENT", "GENERATION", "VERSION", "PID", "SINCE", "MEMORY"];

/** What `status` and `wait` show of packs: a table, and below it what there is to say of them. */
export function renderStatuses(statuses: PackStatus[], _paint: Paint): string {
  if (statuses.length === 0) return "nothing is installed";
  const remarks = statuses.flatMap(remarksOf);
  const shown = tableOf(statuses, Object.keys(columns));
  return remarks.length === 0 ? shown : [shown, "", ...remarks].join("\n");
}

/** The same for a screen: no line is wider than it, and where there are too many lines the last one says so. Pure. */
export function statusLines(statuses: PackStatus[], size: { columns: number; rows: number }): string[] {
  if (statuses.length === 0) return [fit("nothing is installed", size.columns)];
  const heads = Object.keys(columns);
  let lines = tableOf(statuses, heads).split("\n");
  for (const head of DISPENSABLE) {
    if (lines.every((line) => Bun.stringWidth(line) <= size.columns)) break;
    heads.splice(heads.indexOf(head), 1);
    lines = tableOf(statuses, heads).split("\n");
  }
  const remarks = statuses.flatMap(remarksOf);
  const all = remarks.length === 0 ? lines : [...lines, "", ...remarks];
  const left = all.length - size.rows + 1;
  const shown = left <= 1 ? all : [...all.slice(0, size.rows - 1), `… ${left} more lines`];
  return shown.map((line) => fit(line, size.columns));
}

function tableOf(statuses: readonly PackStatus[], heads: readonly string[]): string {
  return table(
    heads,
    statuses.map((status) => heads.map((head) => columns[head]?.(status) ?? "")),
  );
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
