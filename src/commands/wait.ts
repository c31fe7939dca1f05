import { AuroraError } from "../errors.ts";
import { hasHealthCheck } from "../lifecycle/health.ts";
import { damageOf, livePackOf, soundLivePacks } from "../lifecycle/live-pack.ts";
import { type PackStatus, packStatuses } from "../lifecycle/pack-status.ts";
import { isHosted } from "../lifecycle/service-host.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { livePack } from "../registry/packs.ts";
import { formatDuration } from "../system/units.ts";
import { type Context, type Input } from "./command.ts";
import { checkPacks } from "./shared/check-packs.ts";
import { durationOption } from "./shared/install-flow.ts";
import { renderStatuses } from "./shared/status-table.ts";
import { checkPackId, openForReading } from "./shared/workspace.ts";

/** How often the state is looked at, in milliseconds. */
const POLL_MS = 100;

const goals: Record<string, (status: PackStatus) => boolean> = {
  healthy: ({ state, health }) => state === "running" && health === "healthy",
  running: ({ state }) => state === "running",
  stopped: ({ state }) => state !== "running" && state !== "starting" && state !== "stopping",
};

export async function run(
  context: Context,
  { args, options }: Input<never, "for" | "timeout">,
): Promise<PackStatus[]> {
  const goal = Object.hasOwn(goals, options.for ?? "") ? goals[options.for ?? ""] : undefined;
  if (!goal)
    throw new AuroraError(
      "usage",
      `"wait" needs --for healthy, running or stopped${options.for === undefined ? "" : `, not "${options.for}"`}`,
    );
  const timeoutMs =
    options.timeout === undefined ? Infinity : durationOption("--timeout", options.timeout, { orZero: true });
  const deadline = performance.now() + timeoutMs;
  if (options.for === "healthy") await warnOfUnchecked(context, args.map(checkPackId));
  const due = new Map<string, number>();
  for (;;) {
    {
      using workspace = await openForReading(context);
      const statuses = packStatuses(workspace, args.map(checkPackId));
      if (statuses.every(goal)) return statuses;
      if (performance.now() >= deadline) throw notReached(statuses, goal, options.for ?? "", timeoutMs);
      if (options.for === "healthy") await checkOneshots(context, workspace, statuses, deadline, due);
    }
    if (context.signal.aborted) throw new AuroraError("interrupted", "stopped while waiting");
    await Bun.sleep(Math.min(POLL_MS, Math.max(1, deadline - performance.now())));
  }
}

/**
 * How a oneshot pack is, nobody looks after its start but the daemon, which runs only where there is more to do. So whoever waits
 * for it looks himself.
 *
 * @param due when each pack that was looked at is to be looked at again
 */
async function checkOneshots(
  { signal }: Context,
  workspace: Workspace,
  statuses: readonly PackStatus[],
  deadline: number,
  due: Map<string, number>,
): Promise<void> {
  const nowMs = performance.now();
  const unknown = statuses.filter(({ state, health }) => state === "running" && health !== "healthy");
  const packIds = new Set(unknown.map(({ pack_id }) => pack_id).filter((id) => (due.get(id) ?? 0) <= nowMs));
  if (packIds.size === 0) return;
  for (const packId of packIds) due.set(packId, Infinity);
  const packs = soundLivePacks(workspace).filter(
    ({ row, manifest }) => packIds.has(row.pack_id) && !isHosted(manifest) && hasHealthCheck(manifest),
  );
  const inTime = Number.isFinite(deadline)
    ? [AbortSignal.timeout(Math.max(0, Math.ceil(deadline - nowMs)))]
    : [];
  await checkPacks(workspace, packs, AbortSignal.any([signal, ...inTime]));
  for (const { row, manifest } of packs)
    due.set(row.pack_id, performance.now() + manifest.pack.health.interval_seconds * 1000);
}

/** What has no health check never gets healthy, and without a time limit that is waited for without end. */
async function warnOfUnchecked(context: Context, packIds: readonly string[]): Promise<void> {
  using workspace = await openForReading(context);
  for (const packId of packIds) {
    const row = livePack(workspace.registry, packId);
    if (!row || damageOf(workspace.registry, row)) continue;
    if (!hasHealthCheck(livePackOf(workspace, row).manifest))
      context.log.warn(
        `"${packId}" has no health check, so that it never gets healthy; --for running does not ask for one`,
      );
  }
}

function notReached(
  statuses: readonly PackStatus[],
  goal: (status: PackStatus) => boolean,
  name: string,
  timeoutMs: number,
): AuroraError {
  const late = statuses
    .filter((status) => !goal(status))
    .map(({ pack_id, state, health }) => `"${pack_id}" is ${state}, its health ${health}`);
  const when = timeoutMs === 0 ? "now" : `within ${formatDuration(timeoutMs)}`;
  return new AuroraError("timed-out", `not ${name} ${when}: ${late.join(", ")}`, {
    hint: `aurora why ${statuses.find((status) => !goal(status))?.pack_id ?? "PACK"} says more`,
  });
}

export const render = renderStatuses;
