import { type TransactionRow } from "../registry/transactions.ts";
import { type BootTime } from "../system/boot.ts";
import { type TransactionPlan } from "./steps.ts";

/** The deadline of `--confirm-within`, kept so that neither a reboot nor a change of the clock moves it. */
export type Confirmation = { within_ms: number; started: BootTime; started_at: string };

/**
 * Whether an unconfirmed transaction is out of time. Within one boot the monotonic clock tells. Over a reboot at least the
 * time since the boot has passed, and what the wall clock says where it went forward.
 */
export function isOverdue(row: Pick<TransactionRow, "confirm">, boot: BootTime, now: Date): boolean {
  if (row.confirm === null) return false;
  const { within_ms, started, started_at } = JSON.parse(row.confirm) as Confirmation;
  if (started.bootId === boot.bootId) return boot.uptimeMs - started.uptimeMs >= within_ms;
  return Math.max(boot.uptimeMs, now.getTime() - Date.parse(started_at)) >= within_ms;
}

/** How long an unconfirmed transaction still has, in milliseconds, within this boot. */
export function confirmationLeftMs(row: Pick<TransactionRow, "confirm">, boot: BootTime): number {
  if (row.confirm === null) return 0;
  const { within_ms, started } = JSON.parse(row.confirm) as Confirmation;
  return started.bootId === boot.bootId ? Math.max(0, within_ms - (boot.uptimeMs - started.uptimeMs)) : 0;
}

export function planOf(text: string): TransactionPlan {
  return JSON.parse(text) as TransactionPlan;
}
