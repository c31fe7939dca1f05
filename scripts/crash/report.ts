import { type Result } from "./crash-test.ts";

/** The table of a crash test: one line for each operation and mode. */
export function table(results: readonly Result[]): string {
  const rows = [
    ["OPERATION", "MODE", "CALLS", "POINTS", "MISSED", "OK", "BROKEN", "SECONDS"],
    ...results.map(({ operation, mode, calls, points, missed, findings, seconds }) => [
      operation,
      mode,
      String(calls),
      String(points),
      String(missed),
      String(points - findings.length),
      String(findings.length),
      seconds.toFixed(1),
    ]),
    [
      "all",
      "",
      "",
      String(sum(results.map(({ points }) => points))),
      String(sum(results.map(({ missed }) => missed))),
      String(sum(results.map(({ points, findings }) => points - findings.length))),
      String(sum(results.map(({ findings }) => findings.length))),
      sum(results.map(({ seconds }) => seconds)).toFixed(1),
    ],
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
