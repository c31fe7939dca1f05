import { confirmTransaction, type TransactionEnd } from "../lifecycle/transaction.ts";
import { type Context, type Input } from "./command.ts";
import { requireLivePack } from "./shared/packs.ts";
import { withHomeLock } from "./shared/workspace.ts";

type Result = TransactionEnd & { pack_id: string };

export function run(context: Context, { args: [packId = ""] }: Input): Promise<Result> {
  return withHomeLock(context, `confirm ${packId}`, async (workspace) => {
    requireLivePack(workspace, packId);
    return { ...(await confirmTransaction(workspace, packId)), pack_id: packId };
  });
}

export function render({ pack_id }: Result): string {
  return `${pack_id} is confirmed`;
}
