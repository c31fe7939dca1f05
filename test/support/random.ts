import { randomFrom } from "../scheduler/random.ts";

/** Random choices from a seed. */
export function choicesFrom(seed: number) {
  const next = randomFrom(seed);
  const pick = <T>(list: readonly T[]) => list[Math.floor(next() * list.length)] as T;
  return { next, pick, below: (n: number) => Math.floor(next() * n) };
}
