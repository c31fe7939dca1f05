/** The wheel against a naive sorted list: same order, whatever is done to both. */
import { describe, expect, test } from "bun:test";

import { TimingWheel, WHEEL_SPAN, WheelNode } from "../../src/scheduler/wheel.ts";
import { randomFrom } from "../support/random.ts";
import { SortedList } from "./sorted-list.ts";

class Numbered extends WheelNode {
  readonly sequence: number;
  constructor(sequence: number) {
    super();
    this.sequence = sequence;
  }
}

const OPERATIONS = 1_000_000;
/** Deadlines of every size: the same tick, each level, the far list, and across several of its epochs. */
const RANGES = [1, 8, 1024, 1024, 40_000, 2 ** 20, 2 ** 21, WHEEL_SPAN, WHEEL_SPAN * 3, 2 ** 45];

function runModel(seed: number, operations: number, start: number): number {
  const random = randomFrom(seed);
  const below = (n: number) => Math.floor(random() * n);
  const wheel = new TimingWheel<Numbered>(start);
  const list = new SortedList();
  const nodes: Numbered[] = [];
  let taken = 0;
  let now = start;
  for (let i = 0; i < operations; i++) {
    const kind = below(100);
    if (kind < 48) {
      const range = RANGES[below(RANGES.length)] as number;
      const due = below(20) === 0 ? wheel.now - below(5) : wheel.now + below(range);
      const node = new Numbered(i);
      nodes.push(node);
      wheel.insert(node, due);
      list.insert(Math.max(due, wheel.now), i);
    } else if (kind < 72 && nodes.length > 0) {
      const [node] = nodes.splice(below(nodes.length), 1) as [Numbered];
      const wasThere = list.remove(node.due, node.sequence);
      if (wheel.remove(node) !== wasThere) throw new Error(`operation ${i}: remove says ${!wasThere}`);
    } else if (kind < 74) {
      // A part of the work only: nodes may be left in the middle of their move when the next operation comes.
      now = Math.max(now, Math.min(now + below(RANGES[below(8)] as number), list.firstDue() + below(50)));
      wheel.advance(now, below(4));
    } else {
      now = Math.max(now, Math.min(now + below(RANGES[below(8)] as number), list.firstDue() + below(2000)));
      for (let rounds = below(8); rounds > 0; rounds--) {
        while (wheel.advance(now, 1 + below(64)) === "more");
        const node = wheel.take();
        const expected = list.take(now);
        if (node?.sequence !== expected)
          throw new Error(`operation ${i}: ${node?.sequence}, not ${expected}`);
        if (!node) break;
        taken++;
      }
    }
    if (wheel.size !== list.size) throw new Error(`operation ${i}: size ${wheel.size}, not ${list.size}`);
    if (wheel.nextTick() > list.firstDue()) throw new Error(`operation ${i}: the next tick is too late`);
  }
  return taken;
}

describe("the wheel gives what a sorted list gives", () => {
  test(`${OPERATIONS} random operations`, () => {
    expect(runModel(1, OPERATIONS, 0)).toBeGreaterThan(OPERATIONS / 10);
  }, 60_000);

  test.each([2, 3, 4, 5])("seed %i, from a moment shortly before an epoch ends", (seed) => {
    expect(runModel(seed, 50_000, WHEEL_SPAN * seed - 100)).toBeGreaterThan(1000);
  });
});

test("equal deadlines come out in the order they went in, also when inserted while their slot is spread", () => {
  const wheel = new TimingWheel<Numbered>(0);
  const due = 5 * 2 ** 20 + 7;
  for (let i = 0; i < 10; i++) wheel.insert(new Numbered(i), due);
  expect(wheel.advance(5 * 2 ** 20, 3)).toBe("more");
  for (let i = 10; i < 13; i++) wheel.insert(new Numbered(i), due);
  const order: number[] = [];
  while (wheel.advance(due, 4) !== "idle")
    for (let node = wheel.take(); node; node = wheel.take()) order.push(node.sequence);
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
});

test("a deadline in the past is due now, behind what is due already", () => {
  const wheel = new TimingWheel<Numbered>(1000);
  wheel.insert(new Numbered(1), 1000);
  wheel.insert(new Numbered(2), 3);
  wheel.advance(1000, 10);
  expect([wheel.take()?.sequence, wheel.take()?.sequence, wheel.take()]).toEqual([1, 2, undefined]);
});

test("nothing is due one tick early, at the edges of every level", () => {
  for (const due of [
    1,
    1023,
    1024,
    1025,
    2 ** 20 - 1,
    2 ** 20,
    2 ** 20 + 1,
    WHEEL_SPAN,
    WHEEL_SPAN + 1,
    2 ** 44,
  ]) {
    const wheel = new TimingWheel<Numbered>(0);
    wheel.insert(new Numbered(0), due);
    expect([due, wheel.advance(due - 1, 100_000)]).toEqual([due, "idle"]);
    expect([due, wheel.advance(due, 100_000)]).toEqual([due, "ready"]);
  }
});

test("an emptied wheel has nothing to wake up for, whichever list its last node was in", () => {
  for (const due of [0, 1, 1023, 5000, 2 ** 20 + 3, WHEEL_SPAN * 2]) {
    const wheel = new TimingWheel<Numbered>(0);
    const node = new Numbered(0);
    wheel.insert(node, due);
    expect([due, wheel.nextTick() <= due]).toEqual([due, true]);
    expect([due, node.isInWheel, wheel.remove(node), wheel.remove(node), node.isInWheel]).toEqual([
      due,
      true,
      true,
      false,
      false,
    ]);
    expect([due, wheel.nextTick(), wheel.size]).toEqual([due, Infinity, 0]);
  }
});
