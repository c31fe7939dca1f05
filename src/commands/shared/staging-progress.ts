import { formatSize } from "../../system/units.ts";
import { type Context } from "../command.ts";

/** A bar is drawn for packs beyond this, in bytes. */
export const PROGRESS_FROM_BYTES = 8 * 1024 ** 2;
/** Cells of the bar; with the rest of the line it fits into 80 columns unless the source is long. */
const BAR_CELLS = 20;

/** Draws how far the staging of a big pack is; the log does so on a terminal only. */
export function progressOf(context: Context, source: string): (done: number, total: number) => void {
  return (done, total) => {
    if (total >= PROGRESS_FROM_BYTES)
      context.log.progress(done >= total ? undefined : stagingLine(source, done, total));
  };
}

/** `staging ./pack [#####---------------]  25%  2.0 MiB of 8.0 MiB` */
export function stagingLine(source: string, done: number, total: number): string {
  const part = Math.min(1, done / total);
  const filled = Math.floor(part * BAR_CELLS);
  const bar = "#".repeat(filled) + "-".repeat(BAR_CELLS - filled);
  return `staging ${source} [${bar}] ${String(Math.floor(part * 100)).padStart(3)}%  ${formatSize(done)} of ${formatSize(total)}`;
}
