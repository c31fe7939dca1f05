import { describe, expect, test } from "bun:test";

import { PACK_USERS, packUser, packUserReason } from "../../../src/process/confinement/pack-user.ts";

const { first, count } = PACK_USERS;

describe("packUser", () => {
  test("is the same for the same pack, and in the range", () => {
    expect(packUser("pack03_os_base", new Set())).toBe(packUser("pack03_os_base", new Set()));
    for (let n = 0; n < 1000; n++) expect(packUser(`pack${n}`, new Set())).toBeWithin(first, first + count);
  });

  test("is nobody's who has it already", () => {
    const taken = new Set<number>();
    for (let n = 0; n < 2000; n++) {
      const uid = packUser(`pack${n % 7}`, taken);
      expect(taken.has(uid)).toBe(false);
      taken.add(uid);
    }
  });

  test("goes on from the end of the range at its beginning, and ends with it", () => {
    const all = new Set(Array.from({ length: count }, (_, n) => first + n));
    expect(() => packUser("a", all)).toThrow("every user for packs is taken");
    all.delete(first);
    expect(packUser("a", all)).toBe(first);
  });
});

describe("packUserReason", () => {
  test.each([
    [true, "         0          0 4294967295\n", null],
    [true, "0 100000 65536\n", "this container does not have the users that packs run as"],
    [true, "0 0 1000\n1000 200000 2000000000\n", null],
    [true, "", "this container does not have the users that packs run as"],
    [false, "0 0 4294967295\n", "only root can run packs as users of their own"],
  ])("root %j, map %j", (isRoot, map, reason) => {
    expect(packUserReason(isRoot, map)).toBe(reason);
  });
});
