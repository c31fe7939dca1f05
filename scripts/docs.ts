/**
 * Writes docs/reference from the command table and the table of errors.
 *
 *   bun scripts/docs.ts [--check]     --check writes nothing, and exits with 1 when a page is not as it would be written
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { commandGroups, type CommandSpec } from "../src/commands/command.ts";
import { describeOptions, run as help, usageLine } from "../src/commands/help.ts";
import { globalOptions } from "../src/commands/shared/global-options.ts";
import { commands } from "../src/commands/table.ts";

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const directory = join(import.meta.dir, "../docs/reference");
const pages = { "commands.md": commandsPage(), "errors.md": errorsPage() };

mkdirSync(directory, { recursive: true });
for (const [name, text] of Object.entries(pages)) {
  const file = Bun.file(join(directory, name));
  if ((await file.exists()) && (await file.text()) === text) continue;
  if (values.check) {
    console.error(`docs/reference/${name} is stale: bun run docs writes it anew`);
    process.exitCode = 1;
  } else await file.write(text);
}

function commandsPage(): string {
  const shown = commands.filter(({ hidden }) => !hidden);
  const parts = commandGroups.flatMap((group) => {
    const members = shown.filter((spec) => spec.group === group);
    return members.length === 0 ? [] : [`## ${group}`, ...members.map(commandSection)];
  });
  return `${[
    "# Commands",
    "Made from the command table by `bun run docs`.",
    "Every command takes these options, before or after its name:",
    optionTable(describeOptions(globalOptions)),
    ...parts,
  ].join("\n\n")}\n`;
}

function commandSection(spec: CommandSpec): string {
  const described = help(undefined, { args: spec.name.split(" ") });
  const options = described.topic === "command" ? described.options : [];
  return [
    `### ${spec.name}`,
    `${spec.summary}.`,
    ...(spec.details === undefined ? [] : [spec.details]),
    `\`\`\`\n${usageLine(spec)}\n\`\`\``,
    ...(options.length === 0 ? [] : [optionTable(options)]),
    `\`\`\`sh\n${spec.examples.map((example) => `aurora ${example}`).join("\n")}\n\`\`\``,
  ].join("\n\n");
}

function optionTable(options: ReturnType<typeof describeOptions>): string {
  return table(
    ["option", "meaning"],
    options.map((option) => [`\`${option.flags.trim()}\``, option.help]),
  );
}

function errorsPage(): string {
  const result = help(undefined, { args: ["errors"] });
  if (result.topic !== "errors") throw new Error("help errors is not the table of errors");
  const codes = result.exit_codes.map(({ code, meaning }) => [String(code), meaning]);
  const errors = result.errors.map(({ code, exit_code, meaning }) => [
    `\`${code}\``,
    String(exit_code),
    meaning,
  ]);
  return `${[
    "# Exit codes and errors",
    "Made from the tables in the sources by `bun run docs`; `aurora help errors` shows the same.",
    table(["exit code", "meaning"], [...codes, ["128+N", "exec and run: the command died of signal N"]]),
    table(["error", "exit code", "meaning"], errors),
  ].join("\n\n")}\n`;
}

function table(head: string[], body: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
}
