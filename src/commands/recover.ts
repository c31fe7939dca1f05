import { confirmationLeftMs } from "../lifecycle/confirmation.ts";
import { takeHomeLock } from "../lifecycle/home-lock.ts";
import { type TransactionEnd } from "../lifecycle/transaction.ts";
import { openTransactions } from "../registry/transactions.ts";
import { bootTime } from "../system/boot.ts";
import { hasHome } from "../system/ensure-home.ts";
import { homePaths } from "../system/home.ts";
import { type Context, type Input } from "./command.ts";
import { openForReading, openForWriting, settle } from "./shared/workspace.ts";

type Result = { recovered: TransactionEnd[] };

/** A suspended machine does not run timers: so the deadline is looked at again this often, in milliseconds. */
const WATCH_MS = 1000;

export async function run(context: Context, { options }: Input<"watch">): Promise<Result> {
  if (!hasHome(homePaths(context.home))) return { recovered: [] };
  if (options.watch === true) await waitForDeadline(context);
  using workspace = openForWriting(context);
  using lock = await takeHomeLock(workspace, "recover", context.waitMs);
  return { recovered: await settle({ ...workspace, lockToken: lock.token }) };
}

/** Returns when no transaction waits for a confirmation any more, or when one is out of time. */
async function waitForDeadline(context: Context): Promise<void> {
  for (;;) {
    using workspace = await openForReading(context);
    const waiting = openTransactions(workspace.registry).filter(({ state }) => state === "unconfirmed");
    const left = Math.min(...waiting.map((row) => confirmationLeftMs(row, bootTime())));
    if (waiting.length === 0 || left <= 0 || context.signal.aborted) return;
    await Bun.sleep(Math.min(WATCH_MS, left));
  }
}

export function render({ recovered }: Result): string {
  if (recovered.length === 0) return "there is nothing to recover";
  return recovered
    .map(
      ({ transaction, state, reason }) => `${transaction}  ${state}${reason === null ? "" : `: ${reason}`}`,
    )
    .join("\n");
}

export function exitCode({ recovered }: Result): number {
  return recovered.some(({ state }) => state === "stuck") ? 10 : 0;
}
