/**
 * Runs the measurements of scripts/bench and prints them as one table.
 *
 *   bun scripts/bench.ts [NAME…] [--json]     NAME is a file of scripts/bench: start-up, store, process, scheduler, vfs
 *
 * Exits with 1 when a measurement misses its target.
 */
import { basename, join } from "node:path";
import { parseArgs } from "node:util";

import { Glob } from "bun";

import type { BenchRow } from "./bench/row.ts";

const { values, positionals } = parseArgs({
  options: { json: { type: "boolean", default: false } },
  allowPositionals: true,
});
const directory = join(import.meta.dir, "bench");
const known = [...new Glob("*.ts").scanSync(directory)]
  .map((file) => basename(file, ".ts"))
  .filter((name) => name !== "row" && name !== "peer")
  .toSorted();
const unknown = positionals.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`there is no measurement "${unknown.join('", "')}"; known: ${known.join(", ")}`);
  process.exit(2);
}

const rows: (BenchRow & { bench: string })[] = [];
for (const bench of positionals.length > 0 ? positionals : known) {
  console.error(`measuring ${bench}`);
  const module = (await import(join(directory, `${bench}.ts`))) as { bench: () => Promise<BenchRow[]> };
  rows.push(...(await module.bench()).map((row) => ({ bench, ...row })));
}

if (values.json) console.log(JSON.stringify(rows, undefined, 2));
else for (const line of aligned(rows.map(cells))) console.log(line);
if (rows.some(missesTarget)) process.exitCode = 1;

function missesTarget({ ratio, value, target }: BenchRow): boolean {
  return target !== undefined && (ratio ?? value) > target;
}

function cells(row: BenchRow & { bench: string }): string[] {
  const { bench, name, value, unit, ratio, against, target } = row;
  return [
    bench,
    name,
    `${rounded(value)} ${unit}`,
    ratio === undefined ? "" : `${ratio.toFixed(2)}x`,
    against ?? "",
    target === undefined
      ? ""
      : `at most ${Number(target.toPrecision(3))}${missesTarget(row) ? ", MISSED" : ""}`,
  ];
}

function rounded(value: number): string {
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

function aligned(body: string[][]): string[] {
  const table = [["BENCH", "MEASURED", "OURS", "RATIO", "AGAINST", "TARGET"], ...body];
  const widths =
    table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
