import { type Context, type Input } from "../command.ts";
import { withOwnPack } from "../shared/own-pack.ts";

type Result = { pack_id: string; unregistered: boolean };

export function run(context: Context, { args: [packId = ""] }: Input): Promise<Result> {
  return withOwnPack(context, packId, "ns unregister", {});
}

export function render({ pack_id }: Result): string {
  return `${pack_id} is no longer registered`;
}
