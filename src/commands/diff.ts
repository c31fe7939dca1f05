import { AuroraError } from "../errors.ts";
import { scanSource } from "../lifecycle/scan-source.ts";
import { unknownPack } from "../lifecycle/unknown-pack.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { generationOf } from "../registry/generations.ts";
import { livePack } from "../registry/packs.ts";
import { diffTrees } from "../store/diff-trees.ts";
import { type TreeEntry } from "../store/tree-entry.ts";
import { hasTree, readTreeRecord } from "../store/tree-record.ts";
import { printableName } from "../vfs/raw-name.ts";
import { type Context, type Input, type Paint } from "./command.ts";
import { generationOption } from "./shared/generation-flow.ts";
import { findSource, resolveSource } from "./shared/sources.ts";
import { checkPackId, openForReading } from "./shared/workspace.ts";

type Side = { digest: string; entries: TreeEntry[]; label: string };
type Result = {
  pack_id: string;
  from: { label: string; digest: string };
  to: { label: string; digest: string };
  added: string[];
  changed: string[];
  removed: string[];
};

/** Without generations: what is live against the source of that name or path. */
export async function run(
  context: Context,
  { args: [subject = ""], options }: Input<never, "from" | "to">,
): Promise<Result> {
  using workspace = await openForReading(context);
  const { packId, source } = await subjectOf(context, workspace, subject);
  const from =
    options.from === undefined
      ? liveSide(workspace, packId)
      : generationSide(workspace, packId, generationOption("--from", options.from));
  const to =
    options.to === undefined
      ? sourceOrLive(workspace, packId, source, options.from !== undefined)
      : generationSide(workspace, packId, generationOption("--to", options.to));
  const { added, changed, removed } = diffTrees(from.entries, to.entries);
  return {
    pack_id: packId,
    from: { label: from.label, digest: from.digest },
    to: { label: to.label, digest: to.digest },
    added,
    changed,
    removed,
  };
}

async function subjectOf(context: Context, workspace: Workspace, subject: string) {
  const isPath = subject.includes("/") || subject === ".";
  if (!isPath) checkPackId(subject);
  const directory = isPath ? resolveSource(context, subject) : findSource(context, subject);
  if (directory === undefined) return { packId: subject, source: undefined };
  const { manifest, digest, entries } = await scanSource(workspace, directory);
  return { packId: manifest.pack.id, source: { digest, entries, label: directory } };
}

function sourceOrLive(
  workspace: Workspace,
  packId: string,
  source: Side | undefined,
  hasFrom: boolean,
): Side {
  if (hasFrom && livePack(workspace.registry, packId)) return liveSide(workspace, packId);
  if (source) return source;
  throw new AuroraError("not-found", `cannot compare "${packId}": there is no source of that name`, {
    hint: "give the path of its source, or two generations with --from N --to M",
  });
}

function liveSide(workspace: Workspace, packId: string): Side {
  const live = livePack(workspace.registry, packId);
  if (!live) throw unknownPack(workspace, packId, "is not installed");
  return {
    digest: live.digest,
    entries: readTreeRecord(workspace.paths, live.digest).entries,
    label: `generation ${live.generation}`,
  };
}

function generationSide(workspace: Workspace, packId: string, generation: number): Side {
  const digest = generationOf(workspace.registry, packId, generation)?.digest;
  if (!digest)
    throw new AuroraError("not-found", `"${packId}" has no generation ${generation} with content`, {
      hint: `aurora history ${packId} shows its generations`,
    });
  if (!hasTree(workspace.paths, digest))
    throw new AuroraError(
      "not-found",
      `the tree of generation ${generation} of "${packId}" is no longer in the store`,
    );
  return {
    digest,
    entries: readTreeRecord(workspace.paths, digest).entries,
    label: `generation ${generation}`,
  };
}

export function render({ from, to, added, changed, removed }: Result, paint: Paint): string {
  const lines = [
    ...added.map((path) => paint.green(`+ ${printableName(path)}`)),
    ...changed.map((path) => paint.yellow(`~ ${printableName(path)}`)),
    ...removed.map((path) => paint.red(`- ${printableName(path)}`)),
  ];
  return lines.length === 0
    ? `no difference between ${from.label} and ${to.label}`
    : [`${from.label} → ${to.label}`, ...lines].join("\n");
}
