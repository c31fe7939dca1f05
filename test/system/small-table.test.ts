/** A table of a few entries does what a Map does. */
import { expect, test } from "bun:test";

import { SmallTable } from "../../src/system/small-table.ts";

test("after any changes it has what a Map has, in the same order", () => {
  const table = new SmallTable<number, string>();
  const map = new Map<number, string>();
  // Each number from 0 to 6 comes again and again, in an order that repeats itself late.
  for (let step = 0, key = 1; step < 1000; step++, key = (key * 5 + step) % 7) {
    if (step % 3 === 2) {
      table.delete(key);
      map.delete(key);
    } else {
      table.set(key, `at ${step}`);
      map.set(key, `at ${step}`);
    }
    expect(table.keys()).toEqual([...map.keys()]);
    expect(table.values()).toEqual([...map.values()]);
    expect([table.keys().length, table.has(key), table.get(key)]).toEqual([
      map.size,
      map.has(key),
      map.get(key),
    ]);
    const value = map.get(key);
    if (value !== undefined) expect(table.keyOf(value)).toBe(key);
  }
  expect(table.keyOf("none")).toBeUndefined();
  table.clear();
  expect([table.keys(), table.values()]).toEqual([[], []]);
});

test("what is changed while it is gone through is not met twice or left out", () => {
  const table = new SmallTable<string, number>();
  for (const [at, key] of ["a", "b", "c"].entries()) table.set(key, at);
  const met: number[] = [];
  for (const value of table.values()) {
    met.push(value);
    table.delete("a");
    table.set("d", 3);
  }
  expect(met).toEqual([0, 1, 2]);
  expect(table.keys()).toEqual(["b", "c", "d"]);
});
