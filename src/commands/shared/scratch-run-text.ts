import { type DryRunReport } from "../../lifecycle/dry-run.ts";
import { endingOf } from "../../lifecycle/script.ts";
import { printableName } from "../../vfs/raw-name.ts";
import { type Paint } from "../command.ts";

const signs = { added: "+", changed: "~", removed: "-" };

/** A dry run or a test run, for people: what was printed, how it ended, and what it changed in its copy. */
export function renderScratchRun({ ok, steps, changes, pack_id }: DryRunReport, paint: Paint): string {
  const lines: string[] = [];
  for (const step of steps) {
    for (const text of [step.stdout, step.stderr]) if (text !== "") lines.push(text.trimEnd());
    lines.push(
      step.rc === 0
        ? `${step.name} of ${pack_id} ${paint.green("passed")}`
        : `${step.name} of ${pack_id} ${paint.red(endingOf(step))}`,
    );
  }
  if (steps.length === 0) lines.push(`${pack_id} has no install script: there is nothing to rehearse`);
  if (changes.length > 0)
    lines.push(
      "what it changed in its copy:",
      ...changes.map(({ path, change }) => `  ${signs[change]} ${printableName(path)}`),
    );
  else if (ok && steps.length > 0) lines.push("it changed nothing");
  return lines.join("\n");
}

export function scratchRunExitCode({ ok, steps }: DryRunReport): number {
  if (ok) return 0;
  return steps.some(({ timeout }) => timeout) ? 124 : 1;
}
