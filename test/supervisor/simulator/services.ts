import type { ServicePolicy } from "../../../src/supervisor/service-spec.ts";

export type SimulatedService = { packId: string; policy: ServicePolicy; dependencies: string[] };

const pick = <T>(random: () => number, values: readonly T[]): T =>
  values[Math.floor(random() * values.length)] as T;

/** Services with policies of all kinds, each depending on some of those before it. */
export function randomServices(random: () => number, count: number): SimulatedService[] {
  return Array.from({ length: count }, (_, index) => ({
    packId: `s${index}`,
    policy: {
      type: pick(random, ["simple", "notify"] as const),
      restart: pick(random, ["always", "on-failure", "on-failure", "no"] as const),
      backoffSeconds: pick(random, [
        [0.1, 2],
        [1, 60],
        [1, 1],
      ] as const),
      startLimit: { burst: pick(random, [1, 3, 5]), intervalSeconds: pick(random, [5, 60]) },
      startTimeoutSeconds: pick(random, [1, 30]),
      stopTimeoutSeconds: pick(random, [0.5, 10]),
      health: random() < 0.5 ? null : { gate: randomGate(random), watchSeconds: pick(random, [0, 1, 30]) },
      watchdogSeconds: random() < 0.2 ? 2 : null,
    },
    dependencies: Array.from({ length: index }, (_, other) => `s${other}`)
      .slice(-4)
      .filter(() => random() < 0.3),
  }));
}

function randomGate(random: () => number) {
  return {
    grace_seconds: pick(random, [0, 0, 2]),
    interval_seconds: pick(random, [0.1, 1]),
    passes: pick(random, [1, 1, 2]),
    deadline_seconds: pick(random, [1, 5]),
    soak_seconds: pick(random, [0, 0, 1]),
  };
}
