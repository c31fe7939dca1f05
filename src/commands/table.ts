import { command, type CommandSpec } from "./command.ts";

/** Every command, in the order help shows them. Only data here: `load` brings in the code. */
export const commands: readonly CommandSpec[] = [
  command({
    name: "version",
    group: "Tool",
    summary: "Show the version of this program",
    args: [],
    options: {},
    examples: ["version", "version --json"],
    load: () => import("./version.ts"),
  }),
  command({
    name: "help",
    group: "Tool",
    summary: "Show how a command is called, or the exit codes",
    args: [{ name: "TOPIC", optional: true, many: true }],
    options: {},
    examples: ["help install", "help errors"],
    load: () => import("./help.ts"),
  }),
];
