import { type Registry } from "./registry.ts";

export type EventRow = { id: number; at: string; pack_id: string | null; kind: string; detail: string };

/** Events beyond this many are dropped, oldest first; the history of generations is kept apart and for good. */
export const MAX_EVENTS = 10_000;

/** Appends to the event log. `detail` must hold no secret: it is shown to whoever may read the home. */
export function appendEvent(
  registry: Registry,
  event: { at: string; packId: string | null; kind: string; detail?: Readonly<Record<string, unknown>> },
): void {
  registry.run(
    "INSERT INTO events (at, pack_id, kind, detail) VALUES (?, ?, ?, ?)",
    event.at,
    event.packId,
    event.kind,
    JSON.stringify(event.detail ?? {}),
  );
  registry.run("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", MAX_EVENTS);
}

/** The newest events, oldest first. */
export function recentEvents(
  registry: Registry,
  options: { packId?: string; afterId?: number; limit: number },
): EventRow[] {
  return registry
    .all<EventRow>(
      "SELECT * FROM events WHERE (?1 IS NULL OR pack_id = ?1) AND id > ?2 ORDER BY id DESC LIMIT ?3",
      options.packId ?? null,
      options.afterId ?? 0,
      options.limit,
    )
    .toReversed();
}

/** The events after one, oldest first: the way to follow them page by page. */
export function eventsAfter(
  registry: Registry,
  options: { packId?: string | undefined; afterId: number; limit: number },
): EventRow[] {
  return registry.all<EventRow>(
    "SELECT * FROM events WHERE (?1 IS NULL OR pack_id = ?1) AND id > ?2 ORDER BY id LIMIT ?3",
    options.packId ?? null,
    options.afterId,
    options.limit,
  );
}

/** The number of the newest event that ever was, or 0. */
export function newestEventId(registry: Registry): number {
  return registry.get<{ id: number | null }>("SELECT max(id) AS id FROM events")?.id ?? 0;
}
