import { describe, expect, test } from "bun:test";

import {
  createGate,
  type GateClock,
  type GateConfig,
  nextGate,
  runGate,
} from "../../src/process/health-gate.ts";

const base: GateConfig = {
  grace_seconds: 0,
  interval_seconds: 1,
  passes: 1,
  deadline_seconds: 30,
  soak_seconds: 0,
};
const HOUR_MS = 3_600_000;

/** Time that passes only while somebody sleeps: the earliest sleeper is woken when nothing else is to be done. */
class FakeClock implements GateClock {
  nowMs = 0;
  #sleepers: { at: number; wake: () => void }[] = [];

  now = () => this.nowMs;
  sleep = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const sleeper = { at: this.nowMs + ms, wake: resolve };
      const remove = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        resolve();
      };
      if (signal.aborted) return resolve();
      signal.addEventListener("abort", remove, { once: true });
      this.#sleepers.push(sleeper);
      setImmediate(() => this.#advance());
    });

  #advance(): void {
    const next = this.#sleepers.toSorted((a, b) => a.at - b.at)[0];
    if (!next || next.at === Infinity) return;
    this.#sleepers = this.#sleepers.filter((other) => other !== next);
    this.nowMs = Math.max(this.nowMs, next.at);
    next.wake();
  }
}

/** Runs a gate in made-up time. `isHealthyAt` says what a check begun at that second finds; a check takes `probeMs`. */
async function simulate(config: Partial<GateConfig>, isHealthyAt: (second: number) => boolean, probeMs = 0) {
  const clock = new FakeClock();
  const probedAt: number[] = [];
  let running = 0;
  const result = await runGate(
    { ...base, ...config },
    async (signal) => {
      expect(++running).toBe(1);
      const second = clock.now() / 1000;
      probedAt.push(second);
      if (probeMs > 0) await clock.sleep(probeMs, signal);
      running--;
      return !signal.aborted && isHealthyAt(second);
    },
    undefined,
    clock,
  );
  return { ...result, seconds: clock.now() / 1000, probedAt };
}

describe("deadline and passes", () => {
  test("the first check is made at once, and one pass is enough", async () => {
    expect(await simulate({}, () => true)).toEqual({
      healthy: true,
      reason: "its health check passed",
      seconds: 0,
      probedAt: [0],
    });
  });

  test("a pack that needs five seconds is green in the sixth check", async () => {
    const { healthy, probedAt } = await simulate({}, (second) => second >= 5);
    expect([healthy, probedAt]).toEqual([true, [0, 1, 2, 3, 4, 5]]);
  });

  test("who is never green is unhealthy at the deadline, not before and not after", async () => {
    expect(await simulate({ deadline_seconds: 4 }, () => false)).toEqual({
      healthy: false,
      reason: "its health check did not reach a pass within 4 s",
      seconds: 4,
      probedAt: [0, 1, 2, 3],
    });
  });

  test("hours pass in no time", async () => {
    const config = { deadline_seconds: 12 * 3600, interval_seconds: 600 };
    const result = await simulate(config, (second) => second >= 11 * 3600);
    expect(result).toMatchObject({ healthy: true, seconds: 11 * 3600 });
    expect(result.probedAt).toHaveLength(67);
  });

  test("passes count in a row", async () => {
    const flapping = await simulate({ passes: 2, deadline_seconds: 9 }, (second) => second % 2 === 0);
    expect(flapping).toMatchObject({ healthy: false, seconds: 9 });
    expect(flapping.reason).toBe("its health check did not reach 2 passes in a row within 9 s");
    const settling = await simulate({ passes: 3 }, (second) => second !== 1);
    expect(settling).toMatchObject({ healthy: true, seconds: 4 });
  });

  test("a pass exactly at the deadline counts, one after it does not", async () => {
    const state = createGate({ ...base, deadline_seconds: 5 }, 0);
    const probing = nextGate(state, { type: "tick" }, 0).state;
    const result = { type: "result", healthy: true } as const;
    expect(nextGate(probing, result, 5000).action).toMatchObject({ type: "done", healthy: true });
    expect(nextGate(probing, result, 5001).action).toMatchObject({ type: "done", healthy: false });
  });

  test("a check that hangs is aborted at the deadline and waited for", async () => {
    const result = await simulate({ deadline_seconds: 3 }, () => true, HOUR_MS);
    expect(result).toMatchObject({ healthy: false, seconds: 3, probedAt: [0] });
  });

  test("a check that throws is a failure", async () => {
    const clock = new FakeClock();
    const broken = async () => {
      throw new Error("no such file");
    };
    const result = await runGate({ ...base, deadline_seconds: 2 }, broken, undefined, clock);
    expect([result.healthy, clock.now()]).toEqual([false, 2000]);
  });

  test("nothing that has not been checked is healthy", async () => {
    let probed = 0;
    const probe = async () => Boolean(++probed);
    const result = await runGate({ ...base, deadline_seconds: 0 }, probe, undefined, new FakeClock());
    expect([result.healthy, probed]).toEqual([false, 0]);
  });
});

describe("interval", () => {
  test("is from start to start, and checks never overlap", async () => {
    const short = await simulate({ deadline_seconds: 5 }, () => false, 400);
    expect(short.probedAt).toEqual([0, 1, 2, 3, 4]);
    const long = await simulate({ deadline_seconds: 5 }, () => false, 1500);
    expect(long.probedAt).toEqual([0, 1.5, 3, 4.5]);
  });

  test("of 0 still pauses", async () => {
    const { probedAt } = await simulate({ interval_seconds: 0, deadline_seconds: 1 }, () => false);
    expect(probedAt).toHaveLength(100);
  });
});

describe("grace", () => {
  test("a failure within it leaves the passes in a row as they are, one after it does not", async () => {
    const config = { passes: 2, grace_seconds: 3 };
    const failsAt = (failing: number) => (second: number) => second !== failing;
    expect(await simulate(config, failsAt(1))).toMatchObject({ healthy: true, seconds: 2 });
    expect(await simulate({ ...config, grace_seconds: 0 }, failsAt(1))).toMatchObject({ seconds: 3 });
  });

  test("a pass within it counts", async () => {
    expect(await simulate({ grace_seconds: 20 }, (second) => second >= 2)).toMatchObject({
      healthy: true,
      seconds: 2,
    });
  });
});

describe("soak", () => {
  test("green has to last, and is looked at once more at its end", async () => {
    const result = await simulate({ soak_seconds: 2.5 }, (second) => second >= 1);
    expect(result).toEqual({
      healthy: true,
      reason: "it stayed healthy for 2.5 s",
      seconds: 3.5,
      probedAt: [0, 1, 2, 3, 3.5],
    });
  });

  test("one failure in it is the end", async () => {
    const result = await simulate({ soak_seconds: 10 }, (second) => second !== 7);
    expect(result).toMatchObject({
      healthy: false,
      reason: "it did not stay healthy for 10 s",
      seconds: 7,
    });
  });

  test("may go beyond the deadline, which is for the first green", async () => {
    expect(
      await simulate({ soak_seconds: 3600, deadline_seconds: 5, interval_seconds: 60 }, () => true),
    ).toMatchObject({
      healthy: true,
      seconds: 3600,
    });
  });

  test("a failure within the grace is overlooked there too", async () => {
    const config = { soak_seconds: 5, grace_seconds: 3 };
    expect(await simulate(config, (second) => second !== 2)).toMatchObject({ healthy: true, seconds: 5 });
    expect(await simulate(config, (second) => second !== 4)).toMatchObject({ healthy: false, seconds: 4 });
  });
});

test("the operator's stop ends it as not healthy, with the check aborted", async () => {
  const stop = new AbortController();
  let wasAborted = false;
  const result = await runGate(
    { ...base, deadline_seconds: 3600 },
    (signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          wasAborted = true;
          resolve(true);
        });
        stop.abort();
      }),
    stop.signal,
  );
  expect([result.healthy, wasAborted]).toEqual([false, true]);
});

test("a gate that is decided stays so", () => {
  const probing = nextGate(createGate(base, 0), { type: "tick" }, 0).state;
  const { state, action } = nextGate(probing, { type: "result", healthy: true }, 0);
  expect(action).toMatchObject({ type: "done", healthy: true });
  expect(nextGate(state, { type: "result", healthy: false }, HOUR_MS).action).toEqual(action);
  expect(nextGate(state, { type: "tick" }, HOUR_MS).action).toEqual(action);
});

test("ten thousand random gates end by their clocks and are healthy only after what they ask for", () => {
  let seed = 20_261_124;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return Math.floor((seed / 0x8000_0000) * below);
  };
  for (let round = 0; round < 10_000; round++) {
    const config: GateConfig = {
      grace_seconds: random(20),
      interval_seconds: random(6),
      passes: 1 + random(4),
      deadline_seconds: random(60),
      soak_seconds: random(3) * random(30),
    };
    const odds = random(101);
    let nowMs = random(1_000_000);
    const startedMs = nowMs;
    let state = createGate(config, nowMs);
    let event: Parameters<typeof nextGate>[1] = { type: "tick" };
    let [passes, lastPassed, steps] = [0, false, 0];
    for (;;) {
      expect(++steps).toBeLessThan(20_000);
      const next = nextGate(state, event, nowMs);
      ({ state } = next);
      if (next.action.type === "done") {
        if (next.action.healthy) {
          expect(lastPassed).toBe(true);
          expect(passes).toBeGreaterThanOrEqual(config.passes);
        } else
          expect(nowMs - startedMs).toBeLessThanOrEqual(
            (config.deadline_seconds + config.soak_seconds + 10) * 1000,
          );
        break;
      }
      if (next.action.type === "probe") {
        nowMs += random(2500);
        lastPassed = random(100) < odds;
        passes += lastPassed ? 1 : 0;
        event = { type: "result", healthy: lastPassed };
      } else {
        expect(next.action.untilMs).toBeGreaterThan(nowMs);
        nowMs = next.action.untilMs;
        event = { type: "tick" };
      }
    }
  }
});
