import { AuroraError } from "../../errors.ts";
import { type ChangeResult } from "../../lifecycle/change.ts";
import { planOf } from "../../lifecycle/confirmation.ts";
import { holdStaging } from "../../lifecycle/home-lock.ts";
import { storedManifest } from "../../lifecycle/perform.ts";
import { prepareWanted, presentPacks } from "../../lifecycle/prepare.ts";
import { unknownPack } from "../../lifecycle/unknown-pack.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { type Manifest } from "../../manifest/schema.ts";
import { manifestFromStored } from "../../manifest/stored.ts";
import { generationOf, type GenerationRow } from "../../registry/generations.ts";
import { livePack } from "../../registry/packs.ts";
import { transactionById } from "../../registry/transactions.ts";
import { hasTree, readTreeRecord } from "../../store/tree-record.ts";
import { verifyTree } from "../../store/verify-tree.ts";
import { type Context } from "../command.ts";
import { changeFlow } from "./install-flow.ts";

/** Reads the number of a generation that the user typed. Throws `usage`. */
export function generationOption(name: string, text: string | undefined): number {
  if (text === undefined)
    throw new AuroraError("usage", `"activate" needs ${name} N`, {
      hint: "aurora history PACK shows the generations",
    });
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new AuroraError("usage", `cannot read ${name} "${text}": it is not the number of a generation`, {
    hint: "aurora history PACK shows the generations",
  });
}

/** Whether a generation ran unconfined: what was approved with it comes back with it, and has to be approved again. */
function wasAllowAll({ registry }: Workspace, packId: string, entry: GenerationRow): boolean {
  const transaction = transactionById(registry, entry.transaction_id);
  const pack = transaction && planOf(transaction.plan).packs.find(({ pack_id }) => pack_id === packId);
  return pack?.to?.allow_all === 1;
}

/** Makes the content of an earlier generation live again, as a new generation. */
export async function generationFlow(
  context: Context,
  workspace: Workspace,
  kind: "activate" | "rollback",
  packId: string,
  generation: number,
  options: { approve: string | undefined; retry: boolean; confirmWithin: string | undefined },
): Promise<ChangeResult> {
  using _staging = holdStaging(workspace.paths, "shared");
  if (kind === "rollback" && !livePack(workspace.registry, packId))
    throw unknownPack(workspace, packId, "is not installed");
  const entry = generationOf(workspace.registry, packId, generation);
  if (!entry)
    throw new AuroraError("not-found", `"${packId}" has no generation ${generation}`, {
      hint: `aurora history ${packId} shows its generations`,
    });
  const { digest } = entry;
  if (digest === null)
    throw new AuroraError("not-found", `generation ${generation} of "${packId}" is its removal`);
  if (entry.outcome !== "committed" && kind === "rollback" && !options.retry)
    throw new AuroraError(
      "quarantined",
      `cannot roll back "${packId}" to generation ${generation}: it ${entry.outcome === "failed" ? "failed" : "was not kept"}: ${entry.reason ?? ""}`,
      {
        hint: `aurora history ${packId} shows which ones were good`,
      },
    );
  if (!hasTree(workspace.paths, digest))
    throw new AuroraError(
      "not-found",
      `the tree of generation ${generation} of "${packId}" is no longer in the store`,
      {
        hint: "install the pack from its source again",
      },
    );
  const { ok, problems } = await verifyTree(workspace.paths, digest, { full: false });
  if (!ok)
    throw new AuroraError(
      "state-invalid",
      `cannot ${kind} "${packId}": the stored tree of generation ${generation} is damaged`,
      {
        diagnostics: problems.map((message) => ({ message })),
        hint: "stage that version from its source again, which replaces the tree",
      },
    );
  const { entries, bytes } = readTreeRecord(workspace.paths, digest);
  const manifest = storedManifest(workspace, digest);
  const isRollback = kind === "rollback";
  const source = {
    manifest,
    digest,
    entries,
    bytes,
    allowAll: wasAllowAll(workspace, packId, entry),
    ...(isRollback && { rollbackTo: generation }),
  };
  const wanted = new Map([[packId, source]]);
  const prepared = prepareWanted(workspace, kind, wanted, presentPacks(workspace), options.retry);
  if (isRollback && prepared.document.changed && !prepared.restores.has(packId))
    warnOfData(workspace, packId, generation, manifest);
  return await changeFlow(context, workspace, kind, prepared, {
    ...options,
    change: {
      start: undefined,
      reasons: new Map([[packId, `${kind} to generation ${generation}`]]),
      // A rollback stands where the generation stood that it brings back.
      ...(isRollback ? { parents: new Map([[packId, entry.parent]]) } : {}),
    },
  });
}

/** Where snapshots are asked for, data that does not come back is said: it was replaced without one, or gc has removed it. */
function warnOfData(workspace: Workspace, packId: string, generation: number, target: Manifest): void {
  const live = livePack(workspace.registry, packId);
  const isAskedFor =
    target.pack.data.snapshot || (live && manifestFromStored(live.manifest, packId).pack.data.snapshot);
  if (isAskedFor)
    workspace.warn(`the data of "${packId}" stays as it is: no snapshot of generation ${generation} is kept`);
}
