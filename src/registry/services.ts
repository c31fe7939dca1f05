import { AuroraError } from "../errors.ts";
import { parseColumn } from "./json-column.ts";
import { type Registry } from "./registry.ts";

export type ServiceState =
  | "starting"
  | "running"
  | "stopping"
  | "stopped"
  | "exited"
  | "failed"
  /** It failed, and starts again later. */
  | "backoff";
export type Health = "healthy" | "unhealthy" | "unknown";

/** What there is to say of a service's state, for people. */
export type ServiceRemarks = {
  /** Why it is in this state or unhealthy, where nobody asked for that. */
  reason: string | null;
  /** Why the last run ended that nobody asked to end, also when it runs again. */
  last_end: string | null;
  /** When it starts again, in `backoff`. */
  next_start: string | null;
  /** What it says of itself by STATUS= (sd_notify(3)). */
  status_text: string | null;
};

export const noRemarks: ServiceRemarks = {
  reason: null,
  last_end: null,
  next_start: null,
  status_text: null,
};

export type ServiceRow = ServiceRemarks & {
  pack_id: string;
  /** What the operator wants; a rollback and a reboot come back to it. */
  wanted: "running" | "stopped";
  state: ServiceState;
  generation: number;
  since: string;
  /** Marks the processes of one start, in their environment. */
  service_id: string;
  /** The session that the start entrypoint was given; null before it has run. */
  session: number | null;
  boot_id: string;
  /** JSON: the processes that the start left running, as pid and start time; of a pid namespace also its init and its command. */
  processes: string;
  rc: number | null;
  restarts: number;
  health: Health;
  health_at: string | null;
};

/** What tells how a service is now; the rest is for people. */
export type ObservedColumns = Pick<ServiceRow, "state" | "service_id" | "session" | "boot_id" | "processes">;

export function serviceOf(registry: Registry, packId: string): ServiceRow | undefined {
  return registry.get<ServiceRow>("SELECT * FROM services WHERE pack_id = ?", packId);
}

export function services(registry: Registry): ServiceRow[] {
  return registry.all<ServiceRow>("SELECT * FROM services ORDER BY pack_id");
}

export function setService(registry: Registry, row: ServiceRow): void {
  registry.run(
    `INSERT INTO services (pack_id, wanted, state, generation, since, service_id, session, boot_id, processes, rc, restarts,
       health, health_at, reason, last_end, next_start, status_text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (pack_id) DO UPDATE SET wanted = excluded.wanted, state = excluded.state, generation = excluded.generation,
       since = excluded.since, service_id = excluded.service_id, session = excluded.session, boot_id = excluded.boot_id,
       processes = excluded.processes, rc = excluded.rc, restarts = excluded.restarts, health = excluded.health,
       health_at = excluded.health_at, reason = excluded.reason, last_end = excluded.last_end,
       next_start = excluded.next_start, status_text = excluded.status_text`,
    row.pack_id,
    row.wanted,
    row.state,
    row.generation,
    row.since,
    row.service_id,
    row.session,
    row.boot_id,
    row.processes,
    row.rc,
    row.restarts,
    row.health,
    row.health_at,
    row.reason,
    row.last_end,
    row.next_start,
    row.status_text,
  );
}

/** @param reason why it is unhealthy; of a service that does not run it is told why that is so */
export function setHealth(
  registry: Registry,
  packId: string,
  health: Health,
  at: string,
  reason: string | null,
): void {
  registry.run(
    `UPDATE services SET health = ?1, health_at = ?2, reason = CASE WHEN state = 'running' THEN ?3 ELSE reason END
     WHERE pack_id = ?4`,
    health,
    at,
    reason,
    packId,
  );
}

/** Records what confines the service that was just started, as JSON. */
export function setServiceConfinement(registry: Registry, packId: string, summary: string): void {
  registry.run(
    `INSERT INTO service_confinement (pack_id, summary) VALUES (?, ?)
     ON CONFLICT (pack_id) DO UPDATE SET summary = excluded.summary`,
    packId,
    summary,
  );
}

/** What confines the services, by pack, as JSON. */
export function serviceConfinements(registry: Registry): Map<string, string> {
  const rows = registry.all<{ pack_id: string; summary: string }>("SELECT * FROM service_confinement");
  return new Map(rows.map(({ pack_id, summary }) => [pack_id, summary]));
}

/** What a supervisor sees of a service; what is wanted of it is not its to say. */
export type SeenService = Pick<
  ServiceRow,
  | "pack_id"
  | "generation"
  | "state"
  | "since"
  | "service_id"
  | "session"
  | "boot_id"
  | "processes"
  | "rc"
  | "restarts"
  | "health"
> &
  ServiceRemarks;

/** Notes how a supervised service is, unless another generation of it is wanted by now. */
export function noteService(registry: Registry, seen: SeenService, at: string): void {
  registry.run(
    `UPDATE services SET state = ?1, since = ?2, service_id = ?3, session = ?4, boot_id = ?5, processes = ?6, rc = ?7, restarts = ?8,
       health_at = CASE WHEN health = ?9 THEN health_at ELSE ?10 END, health = ?9, reason = ?11, last_end = ?12, next_start = ?13,
       status_text = ?14 WHERE pack_id = ?15 AND generation = ?16`,
    seen.state,
    seen.since,
    seen.service_id,
    seen.session,
    seen.boot_id,
    seen.processes,
    seen.rc,
    seen.restarts,
    seen.health,
    at,
    seen.reason,
    seen.last_end,
    seen.next_start,
    seen.status_text,
    seen.pack_id,
    seen.generation,
  );
}

/** Keeps the environment that a service is started with, also by a restart and by the next daemon. */
export function setServiceEnvironment(
  registry: Registry,
  packId: string,
  environment: Readonly<Record<string, string>>,
): void {
  registry.run(
    `INSERT INTO service_environments (pack_id, environment) VALUES (?, ?)
     ON CONFLICT (pack_id) DO UPDATE SET environment = excluded.environment`,
    packId,
    JSON.stringify(environment),
  );
}

export function serviceEnvironment(registry: Registry, packId: string): Record<string, string> | undefined {
  const row = registry.get<{ environment: string }>(
    "SELECT environment FROM service_environments WHERE pack_id = ?",
    packId,
  );
  if (!row) return undefined;
  try {
    return parseColumn("service_environments.environment", row.environment);
  } catch (thrown) {
    throw new AuroraError(
      "state-invalid",
      `cannot read the stored environment of "${packId}": it is damaged`,
      {
        cause: thrown,
        hint: `aurora stop ${packId}, and aurora start ${packId}, write it anew`,
      },
    );
  }
}

/** Whether a service has an environment that is kept, as all have that are supervised. */
export function hasServiceEnvironment(registry: Registry, packId: string): boolean {
  return registry.get("SELECT 1 FROM service_environments WHERE pack_id = ?", packId) !== undefined;
}

/** The packs whose services are supervised and run, or are to, as far as is recorded. */
export function supervisedPackIds(registry: Registry): string[] {
  return registry
    .all<{ pack_id: string }>(
      `SELECT pack_id FROM services JOIN service_environments USING (pack_id)
       WHERE wanted = 'running' AND state IN ('starting', 'running', 'stopping', 'backoff') ORDER BY pack_id`,
    )
    .map(({ pack_id: packId }) => packId);
}

export function forgetService(registry: Registry, packId: string): void {
  registry.run("DELETE FROM service_confinement WHERE pack_id = ?", packId);
  registry.run("DELETE FROM service_environments WHERE pack_id = ?", packId);
  registry.run("DELETE FROM services WHERE pack_id = ?", packId);
}
