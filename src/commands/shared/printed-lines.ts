/**
 * What a pack has printed, as lines within what Aurora says: without colours, which would run on into the rest, and with a
 * sign for what else would steer the terminal.
 */
export function printedLines(text: string, indent: string): string[] {
  if (text === "") return [];
  return text
    .replaceAll(/\u001b\[[\d;]*m/g, "")
    .split("\n")
    .map((line) => `${indent}${line.replaceAll(/[^\P{Cc}\t]/gu, "·")}`);
}
