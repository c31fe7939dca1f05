import { AuroraError } from "../errors.ts";
import { dryRun, type DryRunReport } from "../lifecycle/dry-run.ts";
import { holdStaging } from "../lifecycle/home-lock.ts";
import { stageSource } from "../lifecycle/stage-source.ts";
import { type Context, type Input } from "./command.ts";
import { renderScratchRun, scratchRunExitCode } from "./shared/scratch-run-text.ts";
import { resolveSource } from "./shared/sources.ts";
import { progressOf } from "./shared/staging-progress.ts";
import { openForWriting } from "./shared/workspace.ts";

export async function run(context: Context, { args: [source = ""] }: Input): Promise<DryRunReport> {
  using workspace = openForWriting(context);
  // What is staged is worked with to the end.
  using _staging = holdStaging(workspace.paths, "shared");
  const { manifest, digest } = await stageSource(
    workspace,
    resolveSource(context, source),
    progressOf(context, source),
  );
  if (!manifest.pack.safety.dry_run_supported)
    throw new AuroraError("not-supported", `"${manifest.pack.id}" does not support dry runs`, {
      hint: "its manifest says safety.dry_run_supported: false",
    });
  return await dryRun(workspace, manifest, digest, { isApproved: false, allowAll: true });
}

export const render = renderScratchRun;
export const exitCode = scratchRunExitCode;
