import { statusesWithUsage } from "../lifecycle/pack-status.ts";
import { readLogs } from "../lifecycle/read-logs.ts";
import { type Context, type Input, type Paint, type Screen } from "./command.ts";
import { selectedAfter } from "./shared/select-row.ts";
import { HISTORY, topLines, type TopModel, type TopPack } from "./shared/top-view.ts";
import { openForReading } from "./shared/workspace.ts";

/** How often all is looked at anew, in milliseconds. */
const LOOK_MS = 1000;
/** A tall screen shows no more lines of a log. */
const LOG_LINES = 200;

type Sample = { atMs: number; cpuSeconds: number };

const plain: Paint = {
  bold: String,
  dim: String,
  red: String,
  green: String,
  yellow: String,
  cyan: String,
};
const colors: Paint = {
  ...plain,
  bold: (text) => `\u001b[7m${text}\u001b[0m`,
  dim: (text) => `\u001b[2m${text}\u001b[0m`,
  red: (text) => `\u001b[31m${text}\u001b[0m`,
};

export async function run(context: Context, _input: Input): Promise<undefined> {
  // A home that cannot be read is told before the screen is taken.
  const before = new Map<string, Sample>();
  let model = await look(context, emptyModel(context), before);
  using screen = await context.openScreen();
  const paint = context.stdout.color ? colors : plain;
  const aborted = new Promise<"interrupt">((resolve) => {
    context.signal.addEventListener("abort", () => resolve("interrupt"), { once: true });
  });
  using ticks = everySecond();
  let nextKey = screen.nextKey();
  for (;;) {
    screen.draw(topLines(model, screen.size(), paint));
    const what = await Promise.race([nextKey, ticks.next(), aborted, screen.resized().then(() => "resize")]);
    if (what === "look") {
      model = model.isPaused ? model : await look(context, model, before);
      continue;
    }
    if (what === "resize") continue;
    if (what === "q" || what === "interrupt" || what === "escape") return undefined;
    model = await afterKey(context, model, what, screen);
    nextKey = screen.nextKey();
  }
}

function everySecond() {
  let tick = Promise.withResolvers<"look">();
  const timer = setInterval(() => {
    tick.resolve("look");
    tick = Promise.withResolvers();
  }, LOOK_MS);
  return { next: () => tick.promise, [Symbol.dispose]: () => clearInterval(timer) };
}

async function afterKey(context: Context, model: TopModel, key: string, screen: Screen): Promise<TopModel> {
  if (key === "p") return { ...model, isPaused: !model.isPaused };
  const ids = model.packs.map(({ status }) => status.pack_id);
  const selected = selectedAfter(ids, model.selected, key, Math.floor(screen.size().rows / 2));
  if (selected === model.selected) return model;
  return { ...model, selected, log: await logOf(context, selected) };
}

function emptyModel({ home, now }: Context): TopModel {
  return { home, at: now(), packs: [], selected: undefined, log: [], isPaused: false };
}

async function look(context: Context, model: TopModel, before: Map<string, Sample>): Promise<TopModel> {
  using workspace = await openForReading(context);
  const { statuses, usage } = statusesWithUsage(workspace, []);
  const atMs = performance.now();
  const packs = statuses.map((status): TopPack => {
    const { pack_id: packId } = status;
    const old = model.packs.find((pack) => pack.status.pack_id === packId);
    const used = usage.get(packId);
    if (!used) {
      before.delete(packId);
      return { status, cpu: [], memory: [] };
    }
    const last = before.get(packId);
    before.set(packId, { atMs, cpuSeconds: used.cpuSeconds });
    const percent = last
      ? Math.max(0, (used.cpuSeconds - last.cpuSeconds) / (atMs - last.atMs)) * 100_000
      : 0;
    return {
      status,
      cpu: [...(old?.cpu ?? []), percent].slice(-HISTORY),
      memory: [...(old?.memory ?? []), used.memoryBytes].slice(-HISTORY),
    };
  });
  const isThere = packs.some(({ status }) => status.pack_id === model.selected);
  const selected = isThere ? model.selected : packs[0]?.status.pack_id;
  const log = selected === undefined ? [] : readLog(workspace.paths.logsOf(selected), selected);
  return { ...model, at: context.now(), packs, selected, log };
}

async function logOf(context: Context, packId: string | undefined) {
  if (packId === undefined) return [];
  using workspace = await openForReading(context);
  return readLog(workspace.paths.logsOf(packId), packId);
}

function readLog(directory: string, packId: string) {
  return readLogs(directory, packId, { count: LOG_LINES, since: undefined, positions: new Map() });
}
