import { confirmationLeftMs } from "../lifecycle/confirmation.ts";
import { takeHomeLock } from "../lifecycle/home-lock.ts";
import { type RebuildReport } from "../lifecycle/rebuild.ts";
import { withLockedHome } from "../lifecycle/settle.ts";
import { restoreManifests } from "../lifecycle/stored-manifests.ts";
import { type TransactionEnd } from "../lifecycle/transaction.ts";
import { openTransactions } from "../registry/transactions.ts";
import { bootTime } from "../system/boot.ts";
import { ensureHome, hasHome } from "../system/ensure-home.ts";
import { type HomePaths, homePaths } from "../system/home.ts";
import { type Context, type Input } from "./command.ts";
import { counted } from "./shared/counted.ts";
import { openForReading, openForWriting } from "./shared/workspace.ts";

type Result = {
  recovered: TransactionEnd[];
  /** Packs whose damaged manifests in the registry were put back from the store. */
  restored: string[];
  /** With --rebuild: what the new registry was made of. */
  rebuilt?: RebuildReport;
};

/** A suspended machine does not run timers: so the deadline is looked at again this often, in milliseconds. */
const WATCH_MS = 1000;

export async function run(context: Context, { options }: Input<"watch" | "rebuild">): Promise<Result> {
  const paths = homePaths(context.home);
  if (!hasHome(paths)) return { recovered: [], restored: [] };
  const rebuilt = options.rebuild === true ? await rebuild(context, paths) : undefined;
  if (options.watch === true && !(await isDeadlineMissed(context))) return { recovered: [], restored: [] };
  using workspace = openForWriting(context);
  const result = await withLockedHome(workspace, "recover", context.waitMs, async (locked, recovered) => ({
    recovered,
    restored: restoreManifests(locked),
  }));
  return rebuilt ? { ...result, rebuilt } : result;
}

async function rebuild(context: Context, paths: HomePaths): Promise<RebuildReport> {
  ensureHome(paths);
  const { now, signal, waitMs } = context;
  using _lock = await takeHomeLock({ paths, now, signal }, "recover --rebuild", waitMs);
  const { rebuildRegistry } = await import("../lifecycle/rebuild.ts");
  return rebuildRegistry(paths, now());
}

/**
 * Waits until a transaction is out of time, or until none waits for a confirmation any more: then it was confirmed, has gone
 * back, or the whole home is gone, which must not be made anew.
 */
async function isDeadlineMissed(context: Context): Promise<boolean> {
  for (;;) {
    using workspace = await openForReading(context);
    const waiting = openTransactions(workspace.registry).filter(({ state }) => state === "unconfirmed");
    if (waiting.length === 0 || context.signal.aborted) return false;
    const [boot, now] = [bootTime(), context.now()];
    const leftMs = Math.min(...waiting.map((row) => confirmationLeftMs(row, boot, now)));
    if (leftMs === 0) return true;
    await Bun.sleep(Math.min(WATCH_MS, leftMs));
  }
}

export function render({ recovered, restored, rebuilt }: Result): string {
  if (rebuilt) return renderRebuilt(rebuilt);
  const lines = [
    ...recovered.map(
      ({ transaction, state, reason }) => `${transaction}  ${state}${reason === null ? "" : `: ${reason}`}`,
    ),
    ...restored.map((packId) => `the manifest of ${packId} is put back from the store`),
  ];
  return lines.length === 0 ? "there is nothing to recover" : lines.join("\n");
}

function renderRebuilt({ packs, trees, generations, kept_as, problems }: RebuildReport): string {
  const packLines = packs.map(
    ({ pack_id, version, generation }) => `${pack_id} ${version}, generation ${generation}`,
  );
  return [
    `the registry is rebuilt from ${counted(trees, "tree")} and ${counted(generations, "generation")}`,
    ...packLines,
    ...(kept_as === null ? [] : [`the old one is kept as ${kept_as}`]),
    ...problems.map((problem) => `not recovered: ${problem}`),
    "namespace entries are as they were at each pack's last transaction; events, quarantines and the runs of jobs are lost",
  ].join("\n");
}

export function exitCode({ recovered }: Result): number {
  return recovered.some(({ state }) => state === "stuck") ? 10 : 0;
}
