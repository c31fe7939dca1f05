import { type EventRow, eventsAfter, newestEventId } from "../registry/events.ts";
import { parseColumn } from "../registry/json-column.ts";
import { type Registry } from "../registry/registry.ts";
import { atMost } from "./at-most.ts";
import { type StreamSink } from "./http/serve-http.ts";

/** How often other programs' events are looked for while somebody follows, in milliseconds. */
const POLL_MS = 200;
/** A stream that has nothing to say says so this often, so that neither side takes the other for dead. */
const KEEP_ALIVE_MS = 15_000;
/** So many events are read at once. */
const PAGE = 200;

type FollowOptions = {
  packId?: string | undefined;
  /** Begin after this event; undefined: with what happens from now on. */
  afterId?: number | undefined;
};

/**
 * The event log as server-sent events. The log is the registry's, so a client that comes back with the last id it has seen
 * misses nothing that is still kept.
 */
export class EventFeed {
  readonly #registry: () => Registry;
  #wake = Promise.withResolvers<void>();

  constructor(registry: () => Registry) {
    this.#registry = registry;
  }

  /** Says that there is a new event: followers get it at once. */
  poke(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers<void>();
    resolve();
  }

  /** Sends events until the client goes. */
  async follow({ packId, afterId }: FollowOptions, { write, signal }: StreamSink): Promise<void> {
    let last = afterId ?? newestEventId(this.#registry());
    write("retry: 1000\n\n");
    let saidMs = performance.now();
    const gone = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    while (!signal.aborted) {
      const wake = this.#wake.promise;
      const rows = eventsAfter(this.#registry(), { packId, afterId: last, limit: PAGE });
      for (const row of rows) write(eventText(row));
      last = rows.at(-1)?.id ?? last;
      if (rows.length > 0) saidMs = performance.now();
      if (rows.length === PAGE) {
        // What was written goes out before more is read.
        await Bun.sleep(0);
        continue;
      }
      if (performance.now() - saidMs >= KEEP_ALIVE_MS) {
        write(": nothing new\n\n");
        saidMs = performance.now();
      }
      await atMost(POLL_MS, Promise.race([wake, gone]));
    }
  }
}

/** One event as a stream carries it: its number, its kind, and the same JSON as `aurora events --json`. */
function eventText({ id, at, pack_id, kind, detail }: EventRow): string {
  const data = JSON.stringify({ id, at, pack_id, kind, detail: parseColumn("events.detail", detail) });
  return `id: ${id}\nevent: ${kind}\ndata: ${data}\n\n`;
}
