import { AuroraError } from "../errors.ts";
import { type DryRunReport, testPack } from "../lifecycle/dry-run.ts";
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
  if (manifest.pack.entrypoint.test === null)
    throw new AuroraError("not-found", `"${manifest.pack.id}" has no tests`, {
      hint: "name a script as entrypoint.test in its manifest",
    });
  return await testPack(workspace, manifest, digest);
}

export const render = renderScratchRun;
export const exitCode = scratchRunExitCode;
