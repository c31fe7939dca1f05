import { isAbsolute, relative } from "node:path";

import { AuroraError } from "../errors.ts";
import { cronFault } from "../lifecycle/cron-fault.ts";
import { checkPack, findingsOf } from "../manifest/check-pack.ts";
import { type Finding } from "../manifest/finding.ts";
import { readIgnoreRules } from "../store/ignore-rules.ts";
import { createPause } from "../store/pause.ts";
import { surveyPack } from "../store/survey-pack.ts";
import { type Context, type Input, type Paint } from "./command.ts";
import { codeFrame } from "./shared/code-frame.ts";
import { counted } from "./shared/counted.ts";
import { isSourcePath, resolveSource } from "./shared/sources.ts";

type Diagnostic = {
  severity: "error" | "warning";
  code: string;
  message: string;
  file: string | null;
  line: number | null;
  column: number | null;
  length: number | null;
  source_line: string | null;
  hint: string | null;
};
type CheckedPack = {
  path: string;
  pack_id: string | null;
  version: string | null;
  diagnostics: Diagnostic[];
};
type Result = { ok: boolean; packs: CheckedPack[] };

type IgnoreRules = ReturnType<typeof readIgnoreRules>;

const EXIT_INVALID = 7;
/** A manifest may be one line of a megabyte, which is not repeated for each of its faults. */
const MAX_SOURCE_LINE = 16_384;

export async function run(context: Context, { args }: Input): Promise<Result> {
  const packs: CheckedPack[] = [];
  for (const source of args) {
    const path = resolveSource(context, source);
    const shownAs = isSourcePath(source) ? source : shortest(context.cwd, path);
    packs.push(await checkedPack(path, shownAs, context.signal));
  }
  return {
    ok: packs.every(({ diagnostics }) => diagnostics.every(({ severity }) => severity !== "error")),
    packs,
  };
}

export function render({ packs }: Result, paint: Paint): string {
  return packs
    .flatMap((pack) => [headline(pack, paint), ...pack.diagnostics.flatMap((one) => lines(one, paint))])
    .join("\n");
}

export function exitCode({ ok }: Result): number {
  return ok ? 0 : EXIT_INVALID;
}

async function checkedPack(path: string, shownAs: string, signal: AbortSignal): Promise<CheckedPack> {
  const rules = ignoreRules(path);
  const { manifest, findings } = checkPack(
    path,
    shownAs,
    cronFault,
    Array.isArray(rules) ? undefined : isIgnoredBy(rules),
  );
  // A directory without a manifest is no pack: what else it holds does not matter, and may be the whole machine.
  const isPack = findings.every(({ code }) => code !== "manifest-missing");
  const ofTree = Array.isArray(rules) ? rules : isPack ? await surveyFindings(path, rules, signal) : [];
  return {
    path,
    pack_id: manifest?.pack.id ?? null,
    version: manifest?.pack.version ?? null,
    diagnostics: [...findings, ...(isPack ? ofTree : [])].map(diagnosticOf),
  };
}

/** What is kept out of a pack, or what is wrong with how that is said. */
function ignoreRules(path: string): IgnoreRules | Finding[] {
  try {
    return readIgnoreRules(path);
  } catch (thrown) {
    if (thrown instanceof AuroraError) return findingsOf(thrown);
    throw thrown;
  }
}

/** Whether a file, or a directory above it, is kept out. */
function isIgnoredBy(rules: IgnoreRules): (file: string) => boolean {
  return (file) =>
    file
      .split("/")
      .some((name, i, names) => rules(names.slice(0, i + 1).join("/"), name, i < names.length - 1));
}

/** What may not be in a pack. No content is read. */
async function surveyFindings(path: string, rules: IgnoreRules, signal: AbortSignal): Promise<Finding[]> {
  try {
    await surveyPack(path, rules, createPause(signal));
    return [];
  } catch (thrown) {
    if (!(thrown instanceof AuroraError) || thrown.code === "interrupted") throw thrown;
    return findingsOf(thrown);
  }
}

function headline({ path, pack_id, version, diagnostics }: CheckedPack, paint: Paint): string {
  const name = pack_id === null ? path : `${pack_id} ${version}`;
  const errors = diagnostics.filter(({ severity }) => severity === "error").length;
  const warnings = diagnostics.length - errors;
  const parts = [
    ...(errors > 0 ? [paint.red(counted(errors, "error"))] : []),
    ...(warnings > 0 ? [paint.yellow(counted(warnings, "warning"))] : []),
  ];
  return `${paint.bold(name)}: ${errors > 0 ? parts.join(", ") : [paint.green("ok"), ...parts].join(", ")}`;
}

function lines(
  { severity, code, message, file, line, column, length, source_line, hint }: Diagnostic,
  paint: Paint,
): string[] {
  const color = severity === "error" ? paint.red : paint.yellow;
  return codeFrame(
    {
      message: `${color(`${severity}[${code}]`)}: ${message}`,
      ...(file !== null &&
        line !== null &&
        column !== null && {
          source: {
            file,
            line,
            column,
            ...(length !== null && { length }),
            ...(source_line !== null && { text: source_line }),
          },
        }),
      ...(hint !== null && { hint }),
    },
    paint,
  );
}

function diagnosticOf({ severity, code, message, source, hint }: Finding): Diagnostic {
  return {
    severity,
    code,
    message,
    file: source?.file ?? null,
    line: source?.line ?? null,
    column: source?.column ?? null,
    length: source?.length ?? null,
    source_line: (source?.text?.length ?? 0) > MAX_SOURCE_LINE ? null : (source?.text ?? null),
    hint: hint ?? null,
  };
}

/** The path from the current directory, where the pack lies below it. */
function shortest(cwd: string, path: string): string {
  const below = relative(cwd, path);
  return below.startsWith("..") || isAbsolute(below) ? path : below;
}
