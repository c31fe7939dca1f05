import { describe, expect, test } from "bun:test";

import { Admission, AGING_MS, type Demand } from "../../src/scheduler/admission.ts";
import { randomFrom } from "../support/random.ts";

type Wish = Demand & { name: string };
const wish = (name: string, tags: Record<string, number> = {}, priority = 1): Wish => ({
  name,
  tags: new Map(Object.entries(tags)),
  priority,
});

function setUp(capacities: Record<string, number> = {}) {
  const admission = new Admission<Wish>();
  for (const [tag, capacity] of Object.entries(capacities)) admission.setCapacity(tag, capacity);
  const add = (...wishes: Wish[]) => wishes.forEach((one) => admission.add(one, 0));
  const take = (now = 0) => {
    const names: string[] = [];
    for (let item = admission.next(now); item; item = admission.next(now)) names.push(item.name);
    return names;
  };
  return { admission, add, take };
}

describe("order", () => {
  test("first come, first served within a set of tags; sets take turns", () => {
    const { add, take } = setUp();
    add(
      wish("a1", { a: 1 }),
      wish("a2", { a: 1 }),
      wish("a3", { a: 1 }),
      wish("b1", { b: 1 }),
      wish("b2", { b: 1 }),
    );
    add(wish("free"));
    expect(take()).toEqual(["a1", "b1", "free", "a2", "b2", "a3"]);
  });

  test("a higher class goes first", () => {
    const { add, take } = setUp();
    add(wish("low", {}, 0), wish("normal"), wish("high", {}, 3), wish("above", {}, 2));
    expect(take()).toEqual(["high", "above", "normal", "low"]);
  });

  test("what has waited long rises a class, once for each span of aging", () => {
    const { admission, add, take } = setUp({ cpu: 1 });
    const running = wish("running", { cpu: 1 });
    add(running);
    take();
    add(wish("old", { cpu: 1 }, 0));
    admission.next(AGING_MS);
    admission.add(wish("new", { cpu: 1 }, 1), 2 * AGING_MS - 1);
    admission.release(running);
    expect(take(2 * AGING_MS)).toEqual(["old"]);
  });
});

describe("capacities", () => {
  test("all tags or none are taken, and what fits beside a blocked one starts", () => {
    const { admission, add, take } = setUp({ cpu: 2, gpu: 1 });
    const first = wish("first", { gpu: 1 });
    add(first, wish("both", { gpu: 1, cpu: 2 }), wish("cpu", { cpu: 2 }));
    expect(take()).toEqual(["first", "cpu"]);
    admission.release(first);
    expect(take()).toEqual([]);
    admission.release(wish("cpu", { cpu: 2 }));
    expect(take()).toEqual(["both"]);
  });

  test("a large demand does not starve behind a stream of small ones of other tags", () => {
    const { admission, add, take } = setUp({ cpu: 4 });
    const small = (i: number) => wish(`small ${i}`, { cpu: 1, [`pack ${i % 5}`]: 1 });
    const running: Wish[] = [];
    for (let i = 0; i < 4; i++) running.push(small(i));
    add(...running);
    expect(take().length).toBe(4);
    add(wish("large", { cpu: 4 }));
    let startedAt = -1;
    for (let now = 1000, i = 4; now < 20 * AGING_MS && startedAt === -1; now += 1000, i++) {
      // One small one ends each second, and another one comes.
      admission.add(small(i), now);
      const ended = running.shift();
      if (ended) admission.release(ended);
      for (let item = admission.next(now); item; item = admission.next(now))
        if (item.name === "large") startedAt = now;
        else running.push(item);
    }
    // Two spans to the highest class, one until it is reserved for, and the time the running ones take.
    expect(startedAt).toBeGreaterThan(0);
    expect(startedAt).toBeLessThanOrEqual(3 * AGING_MS + 6000);
  });

  test("a paused or too large demand reserves nothing", () => {
    const { admission, add, take } = setUp({ cpu: 1 });
    admission.pause("p");
    add(wish("paused", { cpu: 1, p: 1 }, 3), wish("huge", { cpu: 2 }, 3));
    expect(take(5 * AGING_MS)).toEqual([]);
    admission.add(wish("small", { cpu: 1 }), 5 * AGING_MS);
    expect(take(5 * AGING_MS)).toEqual(["small"]);
    expect(admission.blockersOf(wish("none"))).toEqual([]);
  });

  test("blockersOf says what is missing", () => {
    const { admission, add, take } = setUp({ cpu: 2, gpu: 1 });
    add(wish("running", { cpu: 1, gpu: 1 }));
    take();
    const waiting = wish("waiting", { cpu: 2, gpu: 1 });
    add(waiting);
    take();
    expect(admission.blockersOf(waiting)).toEqual([
      { tag: "cpu", reason: "in-use", needed: 2, used: 1, capacity: 2 },
      { tag: "gpu", reason: "in-use", needed: 1, used: 1, capacity: 1 },
    ]);
  });

  test("removing the head of a blocked lane frees what stands behind it", () => {
    const { admission, add, take } = setUp({ cpu: 2 });
    const large = wish("large", { cpu: 2 });
    add(wish("running", { cpu: 1 }));
    take();
    add(large, wish("small", { cpu: 1 }));
    expect(take()).toEqual([]);
    expect([admission.remove(large), admission.remove(large), admission.size]).toEqual([true, false, 1]);
    expect(take()).toEqual(["small"]);
  });
});

/** Everything that must hold whatever happens: capacities, no lost run, no run twice, and an end for everyone. */
test.each([1, 2, 3, 4])("random demands, seed %i", (seed) => {
  const random = randomFrom(seed);
  const below = (n: number) => Math.floor(random() * n);
  const capacities: Record<string, number> = { cpu: 4, gpu: 1, disk: 2 };
  const { admission } = setUp(capacities);
  const waiting = new Map<string, { wish: Wish; since: number }>();
  const running: { wish: Wish; endsAt: number }[] = [];
  const used: Record<string, number> = { cpu: 0, gpu: 0, disk: 0 };
  const paused = new Set<string>();
  let longestWait = 0;
  let now = 0;
  for (let step = 0; step < 26_000; step++) {
    now += below(40);
    // Fewer come than can be served, but for the pauses.
    if (step < 19_000 && below(100) < 22) {
      const tags: Record<string, number> = {};
      for (const tag of Object.keys(capacities))
        if (below(3) === 0) tags[tag] = 1 + below(capacities[tag] as number);
      const one = wish(`${step}`, tags, below(4));
      admission.add(one, now);
      waiting.set(one.name, { wish: one, since: now });
    }
    if (below(200) === 0 && waiting.size > 0) {
      const [name, { wish: one }] = [...waiting][below(waiting.size)] as [string, { wish: Wish }];
      expect(admission.remove(one)).toBe(true);
      waiting.delete(name);
    }
    const tag = Object.keys(capacities)[below(3)] as string;
    if (paused.has(tag) ? below(50) === 0 : step < 19_000 && below(500) === 0) {
      if (paused.delete(tag)) admission.resume(tag);
      else {
        paused.add(tag);
        admission.pause(tag);
      }
    }
    for (let i = running.length - 1; i >= 0; i--) {
      const { wish: one, endsAt } = running[i] as { wish: Wish; endsAt: number };
      if (endsAt > now) continue;
      running.splice(i, 1);
      for (const [tag, amount] of one.tags) (used[tag] as number) -= amount;
      admission.release(one);
    }
    for (let item = admission.next(now); item; item = admission.next(now)) {
      const entry = waiting.get(item.name);
      if (!entry) throw new Error(`${item.name} was not waiting`);
      longestWait = Math.max(longestWait, now - entry.since);
      waiting.delete(item.name);
      running.push({ wish: item, endsAt: now + below(100) });
      for (const [tag, amount] of item.tags) {
        (used[tag] as number) += amount;
        if ((used[tag] as number) > (capacities[tag] as number) || paused.has(tag))
          throw new Error(`${item.name} started without "${tag}"`);
      }
    }
    if (admission.size !== waiting.size) throw new Error(`${admission.size} wait, not ${waiting.size}`);
    const free = [...waiting.values()].some(({ wish: one }) => one.tags.size === 0);
    if (free) throw new Error("a run without tags waits");
  }
  expect([waiting.size, running.length < 20]).toEqual([0, true]);
  expect(longestWait).toBeGreaterThan(0);
});
