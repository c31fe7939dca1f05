import { type HomeState } from "./home-state.ts";

export type Circumstances = {
  /** What the program said: "new" where it said that it was done, "old" where it said that it has failed. */
  said: "new" | "old" | undefined;
  /** Services that nobody had stopped may be down then, as after any reboot. */
  hasRebooted: boolean;
  /** It ended stuck because an old version's own script had failed: then that service is down, and all else is as it was. */
  isStuck?: boolean;
  /** What scripts write without flushing it may be lost: that is theirs to promise. */
  hasForeignData?: boolean;
};

/** What is wrong with a recovered home: it is in the old or the new state, whole, or there is a fault. */
export function judge(
  found: HomeState,
  old: HomeState,
  changed: HomeState,
  circumstances: Circumstances,
): string[] {
  const { said } = circumstances;
  const fromOld = differences(found, old, circumstances);
  const fromNew = differences(found, changed, circumstances);
  const faults = treeFaults(found, old, changed);
  if (fromOld.length > 0 && fromNew.length > 0)
    faults.push(...fromOld.map((text) => `not old: ${text}`), ...fromNew.map((text) => `not new: ${text}`));
  else if (said === "old" && fromOld.length > 0) faults.push("it said that it has failed, and it is done");
  else if (said === "new" && (fromNew.length > 0 || !Bun.deepEquals(found.trees, changed.trees)))
    faults.push("it said that it was done, and it is not");
  return faults;
}

function differences(
  found: HomeState,
  wanted: HomeState,
  { hasRebooted, isStuck = false, hasForeignData = false }: Circumstances,
): string[] {
  const faults: string[] = [];
  for (const part of [
    "live",
    "packs",
    "wanted",
    "namespaces",
    "environment",
    "jobs",
    "data",
    "unconfirmed",
  ] as const) {
    if (part === "data" && (hasForeignData || isStuck)) continue;
    if (!Bun.deepEquals(found[part], wanted[part]))
      faults.push(`${part} is ${JSON.stringify(found[part])} and not ${JSON.stringify(wanted[part])}`);
  }
  for (const packId of new Set([...Object.keys(found.running), ...Object.keys(wanted.running)])) {
    const there = found.running[packId] ?? [];
    const due = wanted.running[packId] ?? [];
    if (Bun.deepEquals(there, due) || ((hasRebooted || isStuck) && there.length === 0)) continue;
    faults.push(`${packId} runs as generation [${there.join()}] and not [${due.join()}]`);
  }
  return faults;
}

/** A tree that was staged may stay when what it was staged for did not happen; nothing else may come or go. */
function treeFaults(found: HomeState, old: HomeState, changed: HomeState): string[] {
  const known = new Set([...old.trees, ...changed.trees]);
  const needed = old.trees.filter((digest) => changed.trees.includes(digest));
  return [
    ...found.trees.filter((digest) => !known.has(digest)).map((digest) => `the tree ${digest} is new`),
    ...needed.filter((digest) => !found.trees.includes(digest)).map((digest) => `the tree ${digest} is gone`),
  ];
}
