import { expect, jest, test } from "bun:test";

import { IdleWatch } from "../../src/daemon/idle-watch.ts";

test("it ends what has had nothing to do for so long, and once it is closed nothing wakes it again", () => {
  jest.useFakeTimers();
  try {
    const seen: string[] = [];
    let isBusy = true;
    const world = {
      isBusy: () => {
        seen.push("asked");
        return isBusy;
      },
      onIdle: () => seen.push("idle"),
    };
    using watch = new IdleWatch(100, world);
    watch.touch();
    jest.advanceTimersByTime(99);
    watch.touch();
    jest.advanceTimersByTime(99);
    expect(seen).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(seen).toEqual(["asked"]);
    isBusy = false;
    jest.advanceTimersByTime(100);
    expect(seen).toEqual(["asked", "asked", "idle"]);
    // An answer may be given when all else has ended.
    watch[Symbol.dispose]();
    watch.touch();
    jest.advanceTimersByTime(1000);
    expect(seen).toHaveLength(3);
  } finally {
    jest.useRealTimers();
  }
});
