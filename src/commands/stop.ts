import { type ActedPack } from "../lifecycle/acted-packs.ts";
import { isStoppedAlready } from "../lifecycle/nothing-to-do.ts";
import { type Context, type Input } from "./command.ts";
import { renderActed } from "./shared/acted-text.ts";
import { lookUnderLock } from "./shared/workspace.ts";

export async function run(context: Context, { args, options }: Input<"dependents">): Promise<ActedPack[]> {
  const [packId = "", ...others] = args;
  const dependents = options.dependents === true;
  const isOne = others.length === 0 && !dependents;
  const already = isOne ? lookUnderLock(context, (home) => isStoppedAlready(home, packId)) : undefined;
  if (already) return [already];
  const { stopFlow } = await import("./shared/stop-flow.ts");
  return await stopFlow(context, { packIds: args, dependents });
}

export const render = renderActed;
