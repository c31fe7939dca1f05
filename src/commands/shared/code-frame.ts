import { type Diagnostic } from "../../errors.ts";
import { type Paint } from "../command.ts";

/** One diagnostic: what is wrong, then `--> file:line:column`, the line and a caret below it. */
export function codeFrame({ message, source, hint }: Diagnostic, paint: Paint): string[] {
  const lines = [`  ${message}`];
  if (source) {
    const margin = " ".repeat(String(source.line).length);
    lines.push(`${margin} ${paint.dim("-->")} ${source.file}:${source.line}:${source.column}`);
    if (source.text !== undefined) {
      const { text, column } = window(source.text, source.column);
      const carets = "^".repeat(Math.max(1, Math.min(source.length ?? 1, text.length - column + 1)));
      const indent = text.slice(0, column - 1).replace(/[^\t]/g, " ");
      lines.push(`${margin} ${paint.dim("|")}`);
      lines.push(`${source.line} ${paint.dim("|")} ${text}`);
      lines.push(`${margin} ${paint.dim("|")} ${indent}${paint.red(carets)}`);
    }
  }
  if (hint) lines.push(`  ${paint.cyan("hint")}: ${hint}`);
  return lines;
}

/** A source line may be megabytes long, or hold control characters: show at most 120 printable ones around the place. */
function window(text: string, column: number): { text: string; column: number } {
  const start = Math.max(0, column - 80);
  const shown = text
    .slice(start, start + 120)
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/g, "\uFFFD");
  return { text: shown, column: column - start };
}
