import { type ServiceRow } from "../registry/services.ts";
import { type ServiceView } from "../supervisor/service-view.ts";

export type ServiceEventEntry = { kind: string; detail: Readonly<Record<string, unknown>> };

const restKinds: Partial<Record<ServiceView["state"], string>> = {
  stopped: "stopped",
  exited: "exited",
  failed: "failed",
  backoff: "backoff",
};

/**
 * What the change of a service amounts to in the event log: from what the registry had, which an earlier daemon may have
 * written, to what is seen now. Pure.
 */
export function serviceEvents(
  before: Pick<ServiceRow, "state" | "session" | "restarts" | "health">,
  after: ServiceView,
): ServiceEventEntry[] {
  const { generation, pid, restarts, exitCode, reason, lastEnd, nextStartAt } = after;
  const events: ServiceEventEntry[] = [];
  // What was restarted may have ended again by now.
  if (restarts > before.restarts)
    events.push({ kind: "restarted", detail: { generation, pid, restarts, reason: lastEnd } });
  else if (pid !== null && pid !== before.session)
    events.push({ kind: "started", detail: { generation, pid } });
  const rest = after.state === before.state ? undefined : restKinds[after.state];
  if (rest !== undefined) {
    const ending = after.state === "stopped" ? {} : { rc: exitCode, reason };
    const next = nextStartAt ? { next_start: nextStartAt.toISOString() } : {};
    events.push({ kind: rest, detail: { ...ending, ...next } });
  }
  if (after.health !== "unknown" && after.health !== before.health)
    events.push({
      kind: after.health,
      detail: after.health === "unhealthy" && reason !== null ? { reason } : {},
    });
  return events;
}
