/**
 * Writes a new command: its file, its test, and its entry in the table.
 *
 *   bun scripts/new-command.ts NAME --summary "Do this" [--group Packs|Running|Services|Tool] [--root DIR]
 *
 * NAME is one word or two, "greet" or "ns greet". Nothing that exists is overwritten.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";

import { commandGroups } from "../src/commands/command.ts";

const { values, positionals } = parseArgs({
  options: {
    group: { type: "string", default: "Tool" },
    summary: { type: "string" },
    root: { type: "string", default: join(import.meta.dir, "..") },
  },
  allowPositionals: true,
});
const name = positionals.join(" ");
const { group, summary, root } = values;
if (!/^[a-z][a-z0-9-]*( [a-z][a-z0-9-]*)?$/.test(name))
  fail(`"${name}" is not one word or two of a-z, 0-9 and -`);
if (!commandGroups.some((known) => known === group))
  fail(`there is no group "${group}"; known: ${commandGroups.join(", ")}`);
if (summary === undefined || !/^[A-Z].*[^.]$/.test(summary))
  fail("--summary is a line that begins with a capital and has no full stop");

const path = name.replace(" ", "/");
const up = name.includes(" ") ? "../.." : "..";
const source = join(root, `src/commands/${path}.ts`);
const test = join(root, `test/commands/${path}.test.ts`);
const tableFile = join(root, "src/commands/table.ts");
for (const file of [source, test]) if (existsSync(file)) fail(`"${file}" exists already`);

const table = withEntry(readFileSync(tableFile, "utf8"));
write(
  source,
  `import { type Context, type Input } from "${up === ".." ? "." : ".."}/command.ts";

type Result = { home: string };

export function run(context: Context, _input: Input): Result {
  return { home: context.home };
}

export function render({ home }: Result): string {
  return home;
}
`,
);
write(
  test,
  `import { expect, test } from "bun:test";

import { aurora, scratch } from "${up}/support/aurora.ts";

test("${name} shows the home", async () => {
  using directory = scratch();
  const words = ${JSON.stringify(name.split(" ")).replaceAll(",", ", ")};
  expect(await aurora(words, { home: directory.path })).toEqual({
    stdout: \`\${directory.path}\\n\`,
    stderr: "",
    exitCode: 0,
  });
});
`,
);
writeFileSync(tableFile, table);
console.log(
  `written: ${source}\nwritten: ${test}\nchanged: ${tableFile}\nnext: describe it in the table, then bun run docs`,
);

/** The table with an entry behind the last one of the same group; groups stand in their order. */
function withEntry(text: string): string {
  const entry = `  command({
    name: ${JSON.stringify(name)},
    group: ${JSON.stringify(group)},
    summary: ${JSON.stringify(summary)},
    args: [],
    options: {},
    examples: [${JSON.stringify(name)}],
    load: () => import("./${path}.ts"),
  }),
`;
  if (text.includes(`    name: ${JSON.stringify(name)},`)) fail(`the table has a command "${name}" already`);
  const before = commandGroups.slice(0, commandGroups.findIndex((known) => known === group) + 1);
  const last = Math.max(...before.map((known) => text.lastIndexOf(`    group: "${known}",`)));
  const end = text.indexOf("  }),\n", last);
  if (last === -1 || end === -1) fail(`"${tableFile}" has no entry to stand behind`);
  const at = end + "  }),\n".length;
  return text.slice(0, at) + entry + text.slice(at);
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { flag: "wx" });
}

function fail(reason: string): never {
  console.error(`cannot write the command: ${reason}`);
  process.exit(2);
}
