import { type PackStatus, packStatuses } from "../../lifecycle/pack-status.ts";
import { type Context, type Paint } from "../command.ts";
import { renderStatuses } from "./status-table.ts";
import { openForReading } from "./workspace.ts";

/** How often the state is looked at, in milliseconds. */
const LOOK_MS = 250;
/** Memory is shown anew at least so often on a terminal, in milliseconds. */
const REDRAW_MS = 2000;
const plain: Paint = { bold: String, dim: String, red: String, green: String, yellow: String, cyan: String };

/**
 * Shows the state, and again whenever it changes, until it is stopped: one JSON document in each line with `--json`, a table
 * drawn in place on a terminal, and else one table after the other. A change of memory alone is none.
 */
export async function watchStatus(context: Context, packIds: readonly string[]): Promise<undefined> {
  let shown = "";
  let shownMs = 0;
  let drawnLines = 0;
  const { isTerminal, write } = context.stdout;
  while (!context.signal.aborted) {
    const statuses = await look(context, packIds);
    const facts = JSON.stringify(statuses.map((status) => ({ ...status, memory_bytes: 0 })));
    const isDrawn = isTerminal && !context.json;
    if (facts !== shown || (isDrawn && performance.now() - shownMs >= REDRAW_MS)) {
      if (context.json) write(`${JSON.stringify(statuses)}\n`);
      else {
        const text = renderStatuses(statuses, plain);
        write(
          `${isDrawn && drawnLines > 0 ? `\u001b[${drawnLines}A\u001b[J` : ""}${text}\n${isDrawn ? "" : "\n"}`,
        );
        drawnLines = text.split("\n").length;
      }
      shown = facts;
      shownMs = performance.now();
    }
    await Bun.sleep(LOOK_MS);
  }
  return undefined;
}

async function look(context: Context, packIds: readonly string[]): Promise<PackStatus[]> {
  using workspace = await openForReading(context);
  return packStatuses(workspace, packIds);
}
