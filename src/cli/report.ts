import { type Paint } from "../commands/command.ts";
import { type AuroraError, type Diagnostic } from "../errors.ts";

/** The document that `--json` prints on stderr for an error. */
export function failureDocument({ code, message, hint, exitCode, diagnostics }: AuroraError): string {
  return `${JSON.stringify({
    error: {
      code,
      message,
      hint: hint ?? null,
      exit_code: exitCode,
      diagnostics: diagnostics.map((diagnostic) => ({
        message: diagnostic.message,
        file: diagnostic.source?.file ?? null,
        line: diagnostic.source?.line ?? null,
        column: diagnostic.source?.column ?? null,
        hint: diagnostic.hint ?? null,
      })),
    },
  })}\n`;
}

/**
 * The text people see on stderr: the message, each place with its source line and a caret, and what to do next.
 *
 * @param withStack show where in Aurora it happened
 */
export function failureText(error: AuroraError, paint: Paint, withStack: boolean): string {
  const lines = [`${paint.red(`error[${error.code}]`)}: ${error.message}`];
  for (const diagnostic of error.diagnostics) lines.push(...codeFrame(diagnostic, paint));
  if (error.hint) lines.push(`${paint.cyan("hint")}: ${error.hint}`);
  if (withStack) lines.push(stackOf(error.cause) ?? stackOf(error) ?? "");
  return `${lines.join("\n")}\n`;
}

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

function stackOf(thrown: unknown): string | undefined {
  return thrown instanceof Error ? thrown.stack : undefined;
}
