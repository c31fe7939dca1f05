import { type Context, type Input } from "../command.ts";
import { withOwnPack } from "../shared/own-pack.ts";

type Result = { pack_id: string; unset: string[] };

export function run(context: Context, { args: [packId = "", ...names] }: Input): Promise<Result> {
  return withOwnPack(context, packId, "env unset", { names });
}

export function render({ pack_id, unset }: Result): string {
  return `${pack_id}: ${unset.join(", ")} ${unset.length === 1 ? "is" : "are"} no longer set`;
}
