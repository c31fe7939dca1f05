import { expect, test } from "bun:test";

import { patienceAfter } from "../../../src/lifecycle/selftest/patience.ts";

test("the self test waits for a slow machine as long as that needs", () => {
  expect(patienceAfter([40, 60])).toBe(15_000);
  expect(patienceAfter([4000, 9000])).toBe(180_000);
});
