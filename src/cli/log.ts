import { createConsola } from "consola/core";

import { type Paint } from "../commands/command.ts";
import { type LoadedLog } from "./lazy-log.ts";
import { writeAll } from "./output.ts";

/**
 * What goes to stderr beside errors: consola with a reporter of our own, since consola's default ones touch
 * process.stdout and process.stderr, which costs more than the rest of start-up.
 *
 * @param canDraw whether progress may be drawn in place
 */
export function createLog(canDraw: boolean, isQuiet: boolean, paint: Paint): LoadedLog {
  let drawn = false;
  const clear = () => {
    if (drawn) writeAll(2, "\r\u001b[K");
    drawn = false;
  };
  const consola = createConsola({
    level: isQuiet ? 0 : 3,
    reporters: [
      {
        log({ type, args }) {
          clear();
          writeAll(2, `${type === "warn" ? `${paint.yellow("warning")}: ` : ""}${args.join(" ")}\n`);
        },
      },
    ],
  });
  return {
    info: (message) => consola.info(message),
    warn: (message) => consola.warn(message),
    progress(message) {
      if (!canDraw || isQuiet) return;
      clear();
      if (message === undefined) return;
      writeAll(2, `\r\u001b[K${message}`);
      drawn = true;
    },
  };
}
