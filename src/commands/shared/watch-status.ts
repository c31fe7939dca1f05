import { type PackStatus, packStatuses } from "../../lifecycle/pack-status.ts";
import { type Context, type Paint, type Screen } from "../command.ts";
import { renderStatuses, statusLines } from "./status-table.ts";
import { openForReading } from "./workspace.ts";

/** How often the state is looked at, in milliseconds. */
const LOOK_MS = 250;
const plain: Paint = { bold: String, dim: String, red: String, green: String, yellow: String, cyan: String };

/**
 * Shows the state, and again whenever it changes, until it is stopped: one JSON document in each line with `--json`, on a terminal
 * a screen of its own, and else one table after the other. A change of memory alone is none.
 */
export async function watchStatus(context: Context, packIds: readonly string[]): Promise<undefined> {
  const { stdout, json } = context;
  if (context.hasScreen && !json) return await watchOnScreen(context, packIds);
  let shown = "";
  while (!context.signal.aborted) {
    const statuses = await look(context, packIds);
    const facts = JSON.stringify(statuses.map((status) => ({ ...status, memory_bytes: 0 })));
    if (facts !== shown)
      stdout.write(json ? `${JSON.stringify(statuses)}\n` : `${renderStatuses(statuses, plain)}\n\n`);
    shown = facts;
    await Bun.sleep(LOOK_MS);
  }
  return undefined;
}

/** What was there last stays on the terminal when it ends. */
async function watchOnScreen(context: Context, packIds: readonly string[]): Promise<undefined> {
  // What cannot be read is told before the screen is taken.
  let statuses = await look(context, packIds);
  {
    using screen = await context.openScreen();
    const stop = new AbortController();
    const stopped = endOf(context.signal, screen).then(() => stop.abort());
    while (!stop.signal.aborted) {
      screen.draw(statusLines(statuses, screen.size()));
      await Promise.race([stopped, screen.resized(), Bun.sleep(LOOK_MS)]);
      statuses = await look(context, packIds);
    }
  }
  context.stdout.write(`${renderStatuses(statuses, plain)}\n`);
  return undefined;
}

/** Resolves with a key that ends it, or a signal. */
async function endOf(signal: AbortSignal, screen: Screen): Promise<void> {
  const aborted = new Promise<string>((resolve) => {
    signal.addEventListener("abort", () => resolve("interrupt"), { once: true });
  });
  for (;;) {
    const key = await Promise.race([screen.nextKey(), aborted]);
    if (key === "q" || key === "interrupt" || key === "escape") return;
  }
}

async function look(context: Context, packIds: readonly string[]): Promise<PackStatus[]> {
  using workspace = await openForReading(context);
  return packStatuses(workspace, packIds);
}
