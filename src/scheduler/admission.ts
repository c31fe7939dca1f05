/*
 * Who may start next. Runs wait in lanes, one for each set of tags and priority class; lanes take turns, and within a lane
 * it is first come, first served. A run takes all it needs or nothing. What has waited long rises one class; in the highest
 * class it finally has its tags kept free for it, so that a large demand does not starve behind a stream of small ones.
 */

/** Classes from 0 to 3; 3 goes first. */
export const PRIORITIES = 4;
export const DEFAULT_PRIORITY = 1;

/** A run that has waited for so long rises one class. */
export const AGING_MS = 10_000;

export type Demand = {
  /** How much of each tag it needs while it runs. */
  readonly tags: ReadonlyMap<string, number>;
  readonly priority: number;
};

/** Why a run has not started. */
export type Blocker = {
  tag: string;
  reason: "paused" | "in-use" | "too-large" | "reserved";
  needed: number;
  used: number;
  capacity: number;
};

type Tag = { name: string; capacity: number; used: number; isPaused: boolean; parked: Set<Lane<unknown>> };

type Lane<Item> = {
  key: string;
  priority: number;
  entries: List<Entry<Item>>;
  /** Its place in the ring, where it has something that may be able to start. */
  link: Link<Lane<Item>>;
};

type Entry<Item> = {
  item: Item;
  needs: readonly (readonly [Tag, number])[];
  lane: Lane<Item>;
  /** Since when it has been in its class. */
  sinceMs: number;
  laneLink: Link<Entry<Item>>;
  ageLink: Link<Entry<Item>>;
};

export class Admission<Item extends Demand> {
  #agingMs: number;
  #tags = new Map<string, Tag>();
  #lanes = new Map<string, Lane<Item>>();
  #rings = Array.from({ length: PRIORITIES }, () => new List<Lane<Item>>());
  /** All that wait in a class, longest first. */
  #ages = Array.from({ length: PRIORITIES }, () => new List<Entry<Item>>());
  #entries = new Map<Item, Entry<Item>>();
  /** The run whose tags are kept free for it. */
  #reserved: Entry<Item> | undefined;
  #nextReservationMs = -Infinity;

  constructor(agingMs: number = AGING_MS) {
    this.#agingMs = agingMs;
  }

  /** How many wait. */
  get size(): number {
    return this.#entries.size;
  }

  /** A tag without a capacity has no limit. */
  setCapacity(name: string, capacity: number): void {
    const tag = this.#tag(name);
    tag.capacity = capacity;
    this.#unpark(tag);
  }

  capacityOf(name: string): number {
    return this.#tags.get(name)?.capacity ?? Infinity;
  }

  pause(name: string): void {
    this.#tag(name).isPaused = true;
  }

  resume(name: string): void {
    const tag = this.#tag(name);
    tag.isPaused = false;
    this.#unpark(tag);
  }

  add(item: Item, nowMs: number): void {
    const needs = [...item.tags].map(([name, amount]) => [this.#tag(name), amount] as const);
    this.#enter(item, needs, item.priority, nowMs);
  }

  /** Takes back a run that waits. Returns false where it does not. */
  remove(item: Item): boolean {
    const entry = this.#entries.get(item);
    if (!entry) return false;
    this.#leave(entry);
    this.#entries.delete(item);
    if (this.#reserved === entry) this.#endReservation();
    return true;
  }

  /** The run that may start now, with what it needs taken; undefined where none may. */
  next(nowMs: number): Item | undefined {
    if (this.#entries.size === 0) return undefined;
    this.#age(nowMs);
    for (let priority = PRIORITIES - 1; priority >= 0; priority--) {
      const ring = this.#rings[priority] as List<Lane<Item>>;
      for (let lane = ring.shift(); lane; lane = ring.shift()) {
        const entry = lane.entries.first;
        if (!entry) continue;
        const lacking = this.#lacking(entry);
        if (lacking) {
          lacking.parked.add(lane as Lane<unknown>);
          continue;
        }
        this.#leave(entry);
        this.#entries.delete(entry.item);
        if (lane.entries.first) ring.push(lane.link);
        for (const [tag, amount] of entry.needs) tag.used += amount;
        if (this.#reserved === entry) this.#endReservation();
        return entry.item;
      }
    }
    return undefined;
  }

  /** Gives back what a run has taken. */
  release(item: Demand): void {
    for (const [name, amount] of item.tags) {
      const tag = this.#tag(name);
      tag.used -= amount;
      this.#unpark(tag);
    }
  }

  /** What keeps a waiting run from starting; empty where it only waits for its turn or does not wait. */
  blockersOf(item: Item): Blocker[] {
    const entry = this.#entries.get(item);
    if (!entry) return [];
    return entry.needs.flatMap(([tag, needed]) => {
      const reason = this.#whyLacking(entry, tag, needed);
      return reason === undefined
        ? []
        : [{ tag: tag.name, reason, needed, used: tag.used, capacity: tag.capacity }];
    });
  }

  #tag(name: string): Tag {
    let tag = this.#tags.get(name);
    if (!tag) {
      tag = { name, capacity: Infinity, used: 0, isPaused: false, parked: new Set() };
      this.#tags.set(name, tag);
    }
    return tag;
  }

  #enter(item: Item, needs: Entry<Item>["needs"], priority: number, nowMs: number): void {
    const key = `${priority}\0${needs
      .map(([tag]) => tag.name)
      .sort()
      .join("\0")}`;
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = { key, priority, entries: new List() } as unknown as Lane<Item>;
      lane.link = new Link(lane);
      this.#lanes.set(key, lane);
    }
    const entry = { item, needs, lane, sinceMs: nowMs } as unknown as Entry<Item>;
    entry.laneLink = new Link(entry);
    entry.ageLink = new Link(entry);
    const wasEmpty = lane.entries.first === undefined;
    lane.entries.push(entry.laneLink);
    (this.#ages[priority] as List<Entry<Item>>).push(entry.ageLink);
    this.#entries.set(item, entry);
    if (wasEmpty) this.#offer(lane);
  }

  #leave(entry: Entry<Item>): void {
    const { lane } = entry;
    const wasFirst = lane.entries.first === entry;
    entry.laneLink.remove();
    entry.ageLink.remove();
    if (!lane.entries.first) {
      lane.link.remove();
      this.#lanes.delete(lane.key);
      for (const [tag] of entry.needs) tag.parked.delete(lane as Lane<unknown>);
    } else if (wasFirst) {
      // The one behind it may need less.
      for (const [tag] of entry.needs) if (tag.parked.delete(lane as Lane<unknown>)) this.#offer(lane);
    }
  }

  #offer(lane: Lane<Item>): void {
    if (!lane.link.isLinked) (this.#rings[lane.priority] as List<Lane<Item>>).push(lane.link);
  }

  #unpark(tag: Tag): void {
    if (tag.parked.size === 0) return;
    const lanes = [...tag.parked] as Lane<Item>[];
    tag.parked.clear();
    for (const lane of lanes) this.#offer(lane);
  }

  #lacking(entry: Entry<Item>): Tag | undefined {
    for (const [tag, needed] of entry.needs)
      if (this.#whyLacking(entry, tag, needed) !== undefined) return tag;
    return undefined;
  }

  #whyLacking(entry: Entry<Item>, tag: Tag, needed: number): Blocker["reason"] | undefined {
    if (tag.isPaused) return "paused";
    if (needed > tag.capacity) return "too-large";
    if (tag.used + needed > tag.capacity) return "in-use";
    const reserved = this.#reserved;
    if (reserved && reserved !== entry && tag.capacity !== Infinity && reserved.item.tags.has(tag.name))
      return "reserved";
    return undefined;
  }

  #age(nowMs: number): void {
    for (let priority = PRIORITIES - 2; priority >= 0; priority--) {
      const ages = this.#ages[priority] as List<Entry<Item>>;
      for (let entry = ages.first; entry && entry.sinceMs + this.#agingMs <= nowMs; entry = ages.first) {
        this.#leave(entry);
        this.#enter(entry.item, entry.needs, priority + 1, nowMs);
      }
    }
    this.#reserve(nowMs);
  }

  /** Keeps tags free for the one that has waited longest in the highest class, where only running ones are in its way. */
  #reserve(nowMs: number): void {
    const oldest = (this.#ages[PRIORITIES - 1] as List<Entry<Item>>).first;
    if (this.#reserved || !oldest || oldest.sinceMs + this.#agingMs > nowMs) return;
    // Looking through all lanes is not for every turn, where what has waited longest is paused.
    if (nowMs < this.#nextReservationMs) return;
    this.#nextReservationMs = nowMs + this.#agingMs / 10;
    let chosen: Entry<Item> | undefined;
    for (const lane of this.#lanes.values()) {
      if (lane.priority !== PRIORITIES - 1) continue;
      const entry = lane.entries.first;
      if (!entry || entry.sinceMs + this.#agingMs > nowMs || entry.needs.length === 0) continue;
      if (chosen && chosen.sinceMs <= entry.sinceMs) continue;
      const isHopeless = entry.needs.some(([tag, needed]) => tag.isPaused || needed > tag.capacity);
      if (!isHopeless) chosen = entry;
    }
    this.#reserved = chosen;
  }

  #endReservation(): void {
    const needs = this.#reserved?.needs ?? [];
    this.#reserved = undefined;
    this.#nextReservationMs = -Infinity;
    for (const [tag] of needs) this.#unpark(tag);
  }
}

/** A place in a doubly linked list. */
class Link<Item> {
  readonly item: Item | undefined;
  previous: Link<Item> = this;
  next: Link<Item> = this;

  constructor(item: Item | undefined) {
    this.item = item;
  }

  get isLinked(): boolean {
    return this.next !== this;
  }

  remove(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.previous = this.next = this;
  }
}

class List<Item> {
  #head = new Link<Item>(undefined);

  get first(): Item | undefined {
    return this.#head.next.item;
  }

  push(link: Link<Item>): void {
    const head = this.#head;
    link.previous = head.previous;
    link.next = head;
    head.previous.next = link;
    head.previous = link;
  }

  shift(): Item | undefined {
    const link = this.#head.next;
    if (link === this.#head) return undefined;
    link.remove();
    return link.item;
  }
}
