import { type ActedPack } from "../lifecycle/acted-packs.ts";
import { runsAlready } from "../lifecycle/nothing-to-do.ts";
import { type Context, type Input } from "./command.ts";
import { renderActed } from "./shared/acted-text.ts";
import { lookUnderLock } from "./shared/workspace.ts";

export async function run(context: Context, { args, options }: Input<"wait-healthy">): Promise<ActedPack[]> {
  const [packId = "", ...others] = args;
  const already = others.length > 0 ? undefined : lookUnderLock(context, (home) => runsAlready(home, packId));
  if (already) return [already];
  const { startFlow } = await import("./shared/start-flow.ts");
  return await startFlow(context, args, options["wait-healthy"] === true);
}

export const render = renderActed;
