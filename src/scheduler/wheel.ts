/*
 * A hierarchical timing wheel (Varghese & Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987): insert and remove
 * are O(1), and a node moves at most twice before it is due. The level of a node is the highest group of bits in which
 * its deadline differs from the present, so that all nodes of one deadline are always in one list, in order of arrival.
 */

const SLOT_BITS = 10;
const SLOTS = 1 << SLOT_BITS;
const SLOT_MASK = SLOTS - 1;
const LEVELS = 3;
const WORDS = SLOTS >> 5;

/** Ticks that the three levels span: 2^30 ms, 12.4 days. Later deadlines wait in the far list. */
export const WHEEL_SPAN = 2 ** (SLOT_BITS * LEVELS);

const DETACHED = -1;
const READY = -2;
const FAR = -3;
const MOVING = -4;

/** What a wheel holds: extend it. A node is in at most one wheel at a time, and is itself the list entry. */
export class WheelNode {
  /** The tick at which it is due. Set by `insert`. */
  due = 0;
  /** Neighbours in its list, and which list that is: for the wheel only. */
  previous: WheelNode | null = null;
  next: WheelNode | null = null;
  slot = DETACHED;

  get isInWheel(): boolean {
    return this.slot !== DETACHED;
  }
}

/** What `advance` found: nodes to take, more to move before that is known, or nothing due. */
export type Advance = "ready" | "more" | "idle";

/** Nodes ordered by deadline in ticks of 1 ms, and by insertion among equal deadlines. Reads no clock. */
export class TimingWheel<Node extends WheelNode> {
  #heads: WheelNode[] = [];
  /** One bit per slot, and one bit per word of those, to find the next occupied slot in two steps. */
  #occupied = new Int32Array(LEVELS * WORDS);
  #summary = new Int32Array(LEVELS);
  #ready = newList();
  #far = newList();
  /** The slot that is being spread over the lower levels. Whatever is inserted into its range meanwhile goes behind. */
  #moving = newList();
  #movingEnd = -Infinity;
  #now: number;
  /** The first tick of the span that the levels stand for, and the first one behind it. */
  #base: number;
  #end: number;
  #size = 0;

  /** @param now the present tick: an integer from 0 to 2^53 - 1 */
  constructor(now: number) {
    this.#now = now;
    this.#base = Math.floor(now / WHEEL_SPAN) * WHEEL_SPAN;
    this.#end = this.#base + WHEEL_SPAN;
    for (let i = 0; i < LEVELS * SLOTS; i++) this.#heads.push(newList());
  }

  /** The tick that the wheel has reached. */
  get now(): number {
    return this.#now;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Adds a node that is in no wheel.
   *
   * @param due an integer up to 2^53 - 1; what lies in the past is due now, behind what is due already
   */
  insert(node: Node, due: number): void {
    node.due = due < this.#now ? this.#now : due;
    this.#size++;
    if (node.due < this.#movingEnd) link(this.#moving, node, MOVING);
    else this.#place(node);
  }

  /** Takes a node out before it is due. Returns false where it is in no wheel. */
  remove(node: Node): boolean {
    const { slot, previous, next } = node;
    if (slot === DETACHED) return false;
    (previous as WheelNode).next = next;
    (next as WheelNode).previous = previous;
    node.previous = node.next = null;
    node.slot = DETACHED;
    this.#size--;
    // The neighbours are the same object only where both are the head of a list that is empty now.
    if (slot >= 0 && previous === next) this.#clear(slot);
    return true;
  }

  /** Takes the first node of those that `advance` has found due. */
  take(): Node | undefined {
    const ready = this.#ready;
    const node = ready.next as WheelNode;
    if (node === ready) return undefined;
    const after = node.next as WheelNode;
    ready.next = after;
    after.previous = ready;
    node.previous = node.next = null;
    node.slot = DETACHED;
    this.#size--;
    return node as Node;
  }

  /**
   * Turns the wheel until a node is due or `tick` is reached.
   *
   * @param moves at most so many nodes change their list, so that a caller may do something else in between
   */
  advance(tick: number, moves: number): Advance {
    for (;;) {
      if (this.#moving.next !== this.#moving) {
        moves = this.#move(moves);
        if (this.#moving.next !== this.#moving) return this.#ready.next === this.#ready ? "more" : "ready";
      }
      if (this.#ready.next !== this.#ready) return "ready";
      const next = this.nextTick();
      if (next > tick) {
        if (tick > this.#now) this.#setNow(tick);
        return "idle";
      }
      this.#turnTo(next);
    }
  }

  /** The next tick at which `advance` has something to do: no node is due before it. Infinity for an empty wheel. */
  nextTick(): number {
    const now = this.#now;
    if (this.#ready.next !== this.#ready || this.#moving.next !== this.#moving) return now;
    const base = this.#base;
    const offset = now - base;
    for (let level = 0; level < LEVELS; level++) {
      const shift = level * SLOT_BITS;
      const slot = this.#nextSlot(level, (offset >>> shift) & SLOT_MASK);
      if (slot === -1) continue;
      const above = shift + SLOT_BITS;
      return base + (above >= SLOT_BITS * LEVELS ? 0 : (offset >>> above) << above) + (slot << shift);
    }
    return this.#far.next === this.#far ? Infinity : this.#end;
  }

  #setNow(tick: number): void {
    this.#now = tick;
    if (tick < this.#end) return;
    this.#base = Math.floor(tick / WHEEL_SPAN) * WHEEL_SPAN;
    this.#end = this.#base + WHEEL_SPAN;
  }

  #place(node: WheelNode): void {
    const { due } = node;
    const now = this.#now;
    if (due <= now) return link(this.#ready, node, READY);
    if (due >= this.#end) return link(this.#far, node, FAR);
    const base = this.#base;
    const offset = due - base;
    const level = ((31 - Math.clz32(offset ^ (now - base))) / SLOT_BITS) | 0;
    const slot = (offset >>> (level * SLOT_BITS)) & SLOT_MASK;
    const index = (level << SLOT_BITS) + slot;
    link(this.#heads[index] as WheelNode, node, index);
    const word = slot >> 5;
    (this.#occupied[(level << 5) + word] as number) |= 1 << (slot & 31);
    (this.#summary[level] as number) |= 1 << word;
  }

  #clear(index: number): void {
    const level = index >> SLOT_BITS;
    const slot = index & SLOT_MASK;
    const word = slot >> 5;
    const left = (this.#occupied[(level << 5) + word] as number) & ~(1 << (slot & 31));
    this.#occupied[(level << 5) + word] = left;
    if (left === 0) (this.#summary[level] as number) &= ~(1 << word);
  }

  /** The first occupied slot of a level behind `slot`, or -1. */
  #nextSlot(level: number, slot: number): number {
    if (slot === SLOT_MASK) return -1;
    const from = slot + 1;
    const word = from >> 5;
    const bits = (this.#occupied[(level << 5) + word] as number) & (-1 << (from & 31));
    if (bits !== 0) return (word << 5) + lowestBit(bits);
    if (word === WORDS - 1) return -1;
    const words = (this.#summary[level] as number) & (-1 << (word + 1));
    if (words === 0) return -1;
    const found = lowestBit(words);
    return (found << 5) + lowestBit(this.#occupied[(level << 5) + found] as number);
  }

  /** Moves the present to a tick where a slot begins. Exactly one list begins there: what is below it is empty yet. */
  #turnTo(tick: number): void {
    const before = this.#now;
    const end = this.#end;
    this.#setNow(tick);
    if (tick >= end) {
      splice(this.#far, this.#moving);
      this.#movingEnd = Infinity;
      return;
    }
    const base = this.#base;
    const level = ((31 - Math.clz32((tick - base) ^ (before - base))) / SLOT_BITS) | 0;
    const index = (level << SLOT_BITS) + (((tick - base) >>> (level * SLOT_BITS)) & SLOT_MASK);
    this.#clear(index);
    const head = this.#heads[index] as WheelNode;
    // All of a slot of the lowest level is due at once: the whole list changes hands. Its nodes keep the number of their
    // slot, whose bit is clear and stays so until the present has moved on, which it does not while they are here.
    if (level === 0) return splice(head, this.#ready);
    splice(head, this.#moving);
    this.#movingEnd = tick + 2 ** (level * SLOT_BITS);
  }

  /** Places at most `moves` nodes of the slot that is being spread; returns how many are left of `moves`. */
  #move(moves: number): number {
    const list = this.#moving;
    for (; moves > 0; moves--) {
      const node = list.next as WheelNode;
      if (node === list) break;
      const after = node.next as WheelNode;
      list.next = after;
      after.previous = list;
      this.#place(node);
    }
    if (list.next === list) this.#movingEnd = -Infinity;
    return moves;
  }
}

function newList(): WheelNode {
  const head = new WheelNode();
  head.previous = head.next = head;
  return head;
}

function link(head: WheelNode, node: WheelNode, slot: number): void {
  const last = head.previous as WheelNode;
  last.next = node;
  node.previous = last;
  node.next = head;
  head.previous = node;
  node.slot = slot;
}

/** Moves all of one list into another, which is empty. */
function splice(from: WheelNode, to: WheelNode): void {
  const first = from.next as WheelNode;
  if (first === from) return;
  const last = from.previous as WheelNode;
  to.next = first;
  first.previous = to;
  to.previous = last;
  last.next = to;
  from.previous = from.next = from;
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
