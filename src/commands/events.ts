import { AuroraError } from "../errors.ts";
import { unknownPack } from "../lifecycle/unknown-pack.ts";
import { type EventRow, MAX_EVENTS, recentEvents } from "../registry/events.ts";
import { parseColumn } from "../registry/json-column.ts";
import { knownPackIds } from "../registry/packs.ts";
import { type Context, type Input } from "./command.ts";
import { checkPackId, openForReading } from "./shared/workspace.ts";

/** How often new events are looked for with `-f`, in milliseconds. */
const POLL_MS = 200;
const DEFAULT_COUNT = 50;

type Event = { id: number; at: string; pack_id: string | null; kind: string; detail: unknown };

export async function run(
  context: Context,
  { args: [packId], options }: Input<"follow", "number">,
): Promise<Event[] | undefined> {
  const limit = countOption(options.number);
  const filter = packId === undefined ? {} : { packId: checkPackId(packId) };
  let events = await read(context, { ...filter, limit });
  if (options.follow !== true) {
    if (packId !== undefined && events.length === 0 && limit > 0) await requireKnown(context, packId);
    return events;
  }
  let afterId = events.at(-1)?.id ?? 0;
  while (!context.signal.aborted) {
    for (const event of events)
      context.stdout.write(`${context.json ? JSON.stringify(event) : lineOf(event)}\n`);
    await Bun.sleep(POLL_MS);
    events = await read(context, { ...filter, afterId, limit: MAX_EVENTS });
    afterId = events.at(-1)?.id ?? afterId;
  }
  return undefined;
}

/** Of a pack that is not there yet new ones may come; none are left of one that is mistyped. */
async function requireKnown(context: Context, packId: string): Promise<void> {
  using workspace = await openForReading(context);
  if (!knownPackIds(workspace.registry).includes(packId))
    throw unknownPack(workspace, packId, "is not known");
}

async function read(context: Context, options: Parameters<typeof recentEvents>[1]): Promise<Event[]> {
  using workspace = await openForReading(context);
  return recentEvents(workspace.registry, options).map(toEvent);
}

function toEvent({ id, at, pack_id, kind, detail }: EventRow): Event {
  return { id, at, pack_id, kind, detail: parseColumn("events.detail", detail) };
}

function countOption(text: string | undefined): number {
  if (text === undefined) return DEFAULT_COUNT;
  if (/^\d{1,6}$/.test(text)) return Math.min(Number(text), MAX_EVENTS);
  throw new AuroraError("usage", `cannot read -n "${text}": it is not a number of events`);
}

function lineOf({ at, pack_id, kind, detail }: Event): string {
  const entries = Object.entries(detail as Record<string, unknown>).filter(([, value]) => value !== null);
  const shown = entries.map(
    ([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return [at, pack_id ?? "-", kind, ...shown].join("  ");
}

export function render(events: Event[]): string {
  return events.length === 0 ? "no events" : events.map(lineOf).join("\n");
}
