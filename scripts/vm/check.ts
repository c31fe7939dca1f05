import { type Extras, type Machine } from "./machine.ts";

/** One thing that has to hold on a machine. Checks are made in their order, and build on each other. */
export type Check = {
  name: string;
  /** Run as root by bash. */
  script: string;
  /** How long it may take, in milliseconds, where that is longer than usual. */
  patienceMs?: number;
  /** What it has to print: all of it, or what it has to match. */
  expected: string | RegExp;
};

/** A series of checks on a machine of its own. */
export type Series = Extras & {
  name: string;
  checks: readonly (Check | Act)[];
};

/** A check that needs more than a script: a reboot, a power cut. */
export type Act = {
  name: string;
  /** @returns what is wrong; undefined where nothing is */
  act: (machine: Machine) => Promise<string | undefined>;
};

export type Outcome = { series: string; name: string; fault: string | undefined; seconds: number };

export async function makeCheck(machine: Machine, check: Check | Act): Promise<string | undefined> {
  if ("act" in check) return await check.act(machine);
  const { output } = await machine.run(check.script, check.patienceMs);
  const { expected } = check;
  const isRight = typeof expected === "string" ? output === expected : expected.test(output);
  return isRight ? undefined : `printed\n${output}\nand not\n${String(expected)}`;
}
