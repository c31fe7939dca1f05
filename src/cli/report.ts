import { type Paint } from "../commands/command.ts";
import { codeFrame } from "../commands/shared/code-frame.ts";
import { type AuroraError } from "../errors.ts";

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

function stackOf(thrown: unknown): string | undefined {
  return thrown instanceof Error ? thrown.stack : undefined;
}
