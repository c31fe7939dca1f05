import { type Options } from "../command.ts";

/** What every command takes, in the order help shows it. */
export const globalOptions = {
  json: { help: "Print one JSON document" },
  quiet: { help: "Print only results and errors", short: "q" },
  home: { help: "Where all state lives (default: $AURORA_HOME)", value: "DIR" },
  wait: { help: "Wait so long for another transaction (default: 10s)", value: "TIME" },
  "no-input": { help: "Never ask" },
  "no-color": { help: "No colour" },
  "no-daemon": { help: "Neither ask the daemon nor start it" },
  help: { help: "Show this help", short: "h" },
  version: { help: "Show the version", short: "V" },
} satisfies Options;
