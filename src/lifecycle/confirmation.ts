import { parseColumn } from "../registry/json-column.ts";
import { type TransactionRow } from "../registry/transactions.ts";
import { type BootTime, bootTime } from "../system/boot.ts";
import { type TransactionPlan } from "./steps.ts";

/** The deadline of `--confirm-within`, kept so that neither a reboot nor a change of the clock moves it. */
type Confirmation = { within_ms: number; started: BootTime; started_at: string };

/** A deadline that counts from now, as it is recorded. */
export function confirmationFrom(withinMs: number, at: string): string {
  return JSON.stringify({ within_ms: withinMs, started: bootTime(), started_at: at } satisfies Confirmation);
}

export function confirmationOf(text: string): Confirmation {
  return parseColumn<Confirmation>("transactions.confirm", text);
}

/**
 * How long an unconfirmed transaction still has, in milliseconds: 0 where it is out of time. Within one boot the monotonic clock
 * tells. Over a reboot at least the time since the boot has passed, and what the wall clock says where it went forward.
 */
export function confirmationLeftMs(row: Pick<TransactionRow, "confirm">, boot: BootTime, now: Date): number {
  if (row.confirm === null) return Number.POSITIVE_INFINITY;
  const { within_ms, started, started_at } = confirmationOf(row.confirm);
  const passedMs =
    started.bootId === boot.bootId
      ? boot.uptimeMs - started.uptimeMs
      : Math.max(boot.uptimeMs, now.getTime() - Date.parse(started_at));
  return Math.max(0, within_ms - passedMs);
}

export function planOf(text: string): TransactionPlan {
  return parseColumn<TransactionPlan>("transactions.plan", text);
}
