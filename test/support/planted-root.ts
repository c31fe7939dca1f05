import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";

import { scratch } from "./aurora.ts";

export const SECRET = "what is outside";

/** What leads where, from the root. Nothing is written through these afterwards: `symlinkSync` and `linkSync` follow nothing. */
export const plantedLinks: Record<string, string> = {
  "out-file": "../outside/secret",
  "out-dir": "../outside",
  "d/up-and-out": "../../outside",
  "through-dots": "d/../../outside/secret",
  "proc-root": "/proc/self/root",
  "link-file": "file",
  "link-dir": "d",
  "d/up-inside": "../file",
  chain: "link-dir/up-inside",
  "chain-out": "d/up-and-out/secret",
  loop: "loop",
  "loop-a": "loop-b",
  "loop-b": "loop-a",
  dangling: "not-there",
  "dangling-deep": "nothing/there",
  root: ".",
};

/** A directory with everything in it that leads out, beside one that must stay as it is; below `parent`, where given. */
export function plantedRoot(parent?: string) {
  const directory = scratch(parent);
  const [inside, outside] = [`${directory.path}/root`, `${directory.path}/outside`];
  mkdirSync(`${inside}/d/e`, { recursive: true });
  mkdirSync(`${inside}/empty`);
  mkdirSync(`${outside}/dir`, { recursive: true });
  for (const path of ["secret", "hard", "dir/file"]) writeFileSync(`${outside}/${path}`, SECRET);
  writeFileSync(`${inside}/file`, "inside");
  writeFileSync(`${inside}/d/deep`, "deep");
  writeFileSync(`${inside}/hard-in`, "twice");
  linkSync(`${inside}/hard-in`, `${inside}/d/hard-twin`);
  linkSync(`${outside}/hard`, `${inside}/hard-out`);
  for (const [name, target] of Object.entries(plantedLinks)) symlinkSync(target, `${inside}/${name}`);
  symlinkSync(`${outside}/secret`, `${inside}/absolute`);
  symlinkSync(`${inside}/file`, `${inside}/absolute-back`);
  return {
    inside,
    outside,
    isOutsideUntouched: () =>
      ["secret", "hard", "dir/file"].every((path) => readFileSync(`${outside}/${path}`, "utf8") === SECRET) &&
      readdirSync(outside).toSorted().join() === "dir,hard,secret" &&
      readdirSync(`${outside}/dir`).join() === "file",
    [Symbol.dispose]: () => rmSync(directory.path, { recursive: true }),
  };
}

/** The code of the AuroraError that was thrown, "ok" without one. Anything else that is thrown is a failure of the test. */
export async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return "ok";
  } catch (thrown) {
    const { name, code } = thrown as { name?: string; code?: string };
    if (name !== "AuroraError" || code === undefined) throw thrown;
    return code;
  }
}
