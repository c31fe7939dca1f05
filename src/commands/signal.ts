import { parseSignal, type SignalledPack, signalPack } from "../lifecycle/signal-pack.ts";
import { type Context, type Input } from "./command.ts";
import { requireLivePack } from "./shared/packs.ts";
import { openForReading } from "./shared/workspace.ts";

export async function run(
  context: Context,
  { args: [packId = "", name = ""], options }: Input<"all">,
): Promise<SignalledPack> {
  const signal = parseSignal(name);
  using workspace = await openForReading(context);
  return signalPack(workspace, requireLivePack(workspace, packId), signal, options.all === true);
}

export function render({ pack_id: packId, signal, pids }: SignalledPack): string {
  if (pids.length === 0) return `${packId} is not running`;
  return `${signal} is sent to ${packId} (pid ${pids.join(", ")})`;
}

/** 3 as `status` of a pack that does not run. */
export function exitCode({ pids }: SignalledPack): number {
  return pids.length === 0 ? 3 : 0;
}
