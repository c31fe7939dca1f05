import { type PackStatus } from "../../lifecycle/pack-status.ts";
import { type LogLine } from "../../lifecycle/read-logs.ts";
import { formatSize } from "../../system/units.ts";
import { type Paint } from "../command.ts";
import { counted } from "./counted.ts";
import { fit } from "./fit.ts";

/** So many samples are kept of each pack. */
export const HISTORY = 60;

export type TopPack = {
  status: PackStatus;
  /** In percent of one processor, oldest first. */
  cpu: readonly number[];
  /** In bytes, oldest first. */
  memory: readonly number[];
};

export type TopModel = {
  home: string;
  at: Date;
  packs: readonly TopPack[];
  selected: string | undefined;
  log: readonly LogLine[];
  isPaused: boolean;
};

const BARS = "▁▂▃▄▅▆▇█";
const SPARK = 8;
const KEYS = "↑ ↓ select   p pause   q quit";
/** The head, the titles, the rule above the log and the keys. */
const FIXED_ROWS = 4;
/** Where there is room, the log has at least so many lines. */
const LEAST_LOG_ROWS = 5;

/** The whole screen of `aurora top`: exactly `rows` lines, none wider than `columns`. Pure. */
export function topLines(model: TopModel, size: { columns: number; rows: number }, paint: Paint): string[] {
  const { packs, selected, log } = model;
  const room = Math.max(1, size.rows - FIXED_ROWS);
  const packRows = Math.max(1, Math.min(packs.length, room - Math.min(LEAST_LOG_ROWS, Math.floor(room / 2))));
  const logRows = Math.max(0, room - packRows);
  const place = Math.max(
    0,
    packs.findIndex(({ status }) => status.pack_id === selected),
  );
  const first = Math.max(0, Math.min(place - Math.floor(packRows / 2), packs.length - packRows));
  const shown = packs.slice(first, first + packRows);
  const chosen = shown.find(({ status }) => status.pack_id === selected);
  const idWidth = idWidthOf(packs, size.columns);
  const cut = (text: string) => fit(text, size.columns);
  const rows = shown.map((pack) => {
    const line = cut(packLine(pack, idWidth, pack.status.pack_id === selected));
    if (pack.status.pack_id === selected) return paint.bold(line);
    return isTroubled(pack.status) ? paint.red(line) : line;
  });
  if (packs.length === 0) rows.push("nothing is installed");
  const tail = logRows === 0 ? [] : log.slice(-logRows).map((line) => cut(logText(line)));
  const body = [
    cut(headLine(model)),
    paint.dim(cut(titles(idWidth))),
    ...rows,
    paint.dim(cut(rule(chosen, size.columns))),
    ...tail,
  ];
  while (body.length < size.rows - 1) body.push("");
  return [...body.slice(0, size.rows - 1), paint.dim(cut(KEYS))].slice(-size.rows);
}

/** The newest samples as bars, against the largest of them, or `most` where that is larger. Pure. */
export function sparkline(samples: readonly number[], most: number): string {
  const shown = samples.slice(-SPARK);
  const top = Math.max(most, ...shown);
  const bars = shown.map(
    (sample) => BARS[Math.min(BARS.length - 1, Math.floor((sample / top) * BARS.length))],
  );
  return bars.join("").padStart(SPARK);
}

function headLine({ home, at, packs, isPaused }: TopModel): string {
  const running = packs.filter(({ status }) => status.state === "running").length;
  const unhealthy = packs.filter(({ status }) => status.health === "unhealthy").length;
  const facts = [
    counted(packs.length, "pack"),
    `${running} running`,
    ...(unhealthy > 0 ? [`${unhealthy} unhealthy`] : []),
  ];
  return `aurora top  ${at.toISOString().slice(11, 19)}${isPaused ? "  paused" : ""}  ${facts.join(", ")}  ${home}`;
}

const titles = (idWidth: number) =>
  `  ${"PACK".padEnd(idWidth)}  STATE      HEALTH     RESTARTS    CPU ${" ".repeat(SPARK)}   MEMORY`;

function packLine({ status, cpu, memory }: TopPack, idWidth: number, isSelected: boolean): string {
  const { pack_id: packId, state, health, restarts } = status;
  const percent = cpu.at(-1);
  const bytes = memory.at(-1);
  return [
    `${isSelected ? "›" : " "} ${fit(packId, idWidth).padEnd(idWidth)}`,
    state.padEnd(9),
    health.padEnd(9),
    String(restarts).padStart(8),
    `${(percent === undefined ? "-" : `${percent.toFixed(percent < 10 ? 1 : 0)}%`).padStart(6)} ${sparkline(cpu, 1)}`,
    `${(bytes === undefined ? "-" : formatSize(bytes)).padStart(9)} ${sparkline(memory, 1)}`,
  ].join("  ");
}

function idWidthOf(packs: readonly TopPack[], columns: number): number {
  const longest = Math.max(4, ...packs.map(({ status }) => status.pack_id.length));
  return Math.max(8, Math.min(longest, columns - 66));
}

function isTroubled({ state, health }: PackStatus): boolean {
  return state === "failed" || state === "backoff" || health === "unhealthy";
}

/** Above the log: whose it is, and why that pack is as it is. */
function rule(selected: TopPack | undefined, columns: number): string {
  if (selected === undefined) return "─".repeat(columns);
  const { pack_id: packId, reason, status_text: statusText } = selected.status;
  const remark = reason ?? statusText ?? "";
  const title = ` log of ${packId}${remark === "" ? "" : `: ${remark}`} `;
  return `──${title}${"─".repeat(Math.max(0, columns - Bun.stringWidth(title) - 2))}`;
}

function logText({ at, stream, line }: LogLine): string {
  return `${at.slice(11, 19)}${stream === "stderr" ? "!" : " "} ${line}`;
}
