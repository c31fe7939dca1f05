/** Columns under their heads, two spaces apart, without blanks at the ends of lines. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heads, ...rows];
  const cellWidths = lines.map((line) => line.map(widthOf));
  const widths = heads.map((_, column) =>
    cellWidths.reduce((most, line) => Math.max(most, line[column] ?? 0), 0),
  );
  let text = "";
  for (const [row, line] of lines.entries()) {
    let shown = "";
    for (const [column, cell] of line.entries()) {
      const isLast = column === line.length - 1;
      shown += isLast
        ? cell
        : cell + " ".repeat((widths[column] ?? 0) - (cellWidths[row]?.[column] ?? 0) + 2);
    }
    text += row === 0 ? shown.trimEnd() : `\n${shown.trimEnd()}`;
  }
  return text;
}

/** Cells on a terminal; most texts are plain ASCII, for which the length is enough. */
function widthOf(text: string): number {
  return /^[ -~]*$/.test(text) ? text.length : Bun.stringWidth(text);
}
