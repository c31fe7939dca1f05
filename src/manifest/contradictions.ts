import { nodeAt, type Path, pathText, quoted, type SourceNode } from "./source-node.ts";
import { type Fault } from "./source-text.ts";

/**
 * Finds what no single field shows: names that are given twice, and fields that do not go together. It looks at the
 * manifest as it was written, so that it works while other fields are still wrong.
 */
export function findContradictions(root: SourceNode): Fault[] {
  const faults: Fault[] = [];
  const say = (path: Path, message: string, hint?: string): void => {
    const node = nodeAt(root, path);
    if (node)
      faults.push({ start: node.start, end: node.end, message: `${pathText(path)} ${message}`, hint });
  };
  const scalar = (...path: Path): unknown => {
    const node = nodeAt(root, ["pack", ...path]);
    return node?.kind === "scalar" ? node.value : undefined;
  };
  const count = (...path: Path): number => {
    const node = nodeAt(root, ["pack", ...path]);
    return node?.kind === "list" ? node.items.length : 0;
  };

  for (const [list, key] of uniqueKeys) {
    const seen = new Set<unknown>();
    for (let i = 0; i < count(list); i++) {
      const value = scalar(list, i, key);
      if (typeof value !== "string") continue;
      if (seen.has(value)) say(["pack", list, i, key], `is ${quoted(value)} for the second time`);
      seen.add(value);
    }
  }
  for (let i = 0; i < count("dependencies"); i++)
    if (scalar("dependencies", i, "pack_id") === scalar("id") && scalar("id") !== undefined)
      say(["pack", "dependencies", i, "pack_id"], "is the pack itself");

  for (let i = 0; i < count("mounts"); i++)
    if (scalar("mounts", i, "pack") === scalar("id") && scalar("id") !== undefined)
      say(["pack", "mounts", i, "pack"], "is the pack itself");

  const type = scalar("service", "type");
  if ((type === "simple" || type === "notify") && !hasValue(nodeAt(root, ["pack", "entrypoint", "start"])))
    say(["pack", "service", "type"], `is ${type}, which needs entrypoint.start`);

  const deadline = scalar("health", "deadline_seconds") ?? 30;
  const grace = scalar("health", "grace_seconds");
  if (typeof grace === "number" && typeof deadline === "number" && grace >= deadline)
    say(["pack", "health", "grace_seconds"], `must be less than deadline_seconds, which is ${deadline}`);

  const epoch = scalar("data", "epoch") ?? 1;
  const reads = Array.from({ length: count("data", "reads_epochs") }, (_, i) =>
    scalar("data", "reads_epochs", i),
  );
  if (nodeAt(root, ["pack", "data", "reads_epochs"])?.kind === "list" && !reads.includes(epoch))
    say(["pack", "data", "reads_epochs"], `must hold the pack's own epoch, which is ${String(epoch)}`);

  for (let i = 0; i < count("schedule"); i++) {
    const job: Path = ["pack", "schedule", i];
    const has = (key: string) => nodeAt(root, [...job, key]) !== undefined;
    if (nodeAt(root, job)?.kind !== "map") continue;
    if (has("every") && has("cron"))
      say([...job, "cron"], "may not stand beside every", "keep one of the two");
    if (!has("every") && !has("cron"))
      say(job, "needs every or cron", 'add every: "30s" or cron: "0 3 * * *"');
    if (hasValue(nodeAt(root, [...job, "timezone"])) && has("every") && !has("cron"))
      say([...job, "timezone"], "has no meaning for every", "remove it, or use cron");
  }
  return faults;
}

/** Lists of the pack, and what no two of their entries may share. */
const uniqueKeys = [
  ["dependencies", "pack_id"],
  ["artifacts", "path"],
  ["mounts", "path"],
  ["schedule", "name"],
] as const;

function hasValue(node: SourceNode | undefined): boolean {
  return node !== undefined && !(node.kind === "scalar" && node.value === null);
}
