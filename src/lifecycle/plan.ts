import { AuroraError, type Diagnostic } from "../errors.ts";
import { type Manifest } from "../manifest/schema.ts";
import { compareVersions, satisfies } from "../manifest/version.ts";

/** A pack that is to be live after the transaction. */
export type WantedPack = {
  digest: string;
  manifest: Manifest;
  allowAll: boolean;
  /** The generation whose data comes back with it; without it the data stays as it is. */
  dataOf?: number | undefined;
};

/** A pack that is live now. */
export type PresentPack = { digest: string; manifest: Manifest; generation: number; allowAll: boolean };

type ActionKind = "install" | "upgrade" | "downgrade" | "replace" | "none";

export type PlanAction = {
  action: ActionKind;
  pack_id: string;
  from_version: string | null;
  to_version: string;
  from_digest: string | null;
  from_generation: number | null;
  digest: string;
  /** The generation that left the data which comes back with a rollback; null where the data stays as it is. */
  data_of_generation: number | null;
};

/**
 * What has to be done so that the wanted packs are live: pure, from what is wanted and what is there.
 *
 * @returns one action for each wanted pack, dependencies first; `none` where the pack is live with that very digest,
 *   confined or unconfined as it is to be
 * @throws {AuroraError} `dependency-missing`, `version-conflict`, `dependency-cycle`, each with every fault found
 */
export function planActions(wanted: readonly WantedPack[], present: readonly PresentPack[]): PlanAction[] {
  const wantedById = byId(wanted);
  const presentById = byId(present);
  const after = new Map<string, WantedPack | PresentPack>([...presentById, ...wantedById]);
  checkDependencies(after, wantedById);
  return dependencyOrder([...wantedById.keys()], after).map((packId) => {
    const to = wantedById.get(packId) as WantedPack;
    const from = presentById.get(packId);
    return {
      action: actionKind(from, to),
      pack_id: packId,
      from_version: from?.manifest.pack.version ?? null,
      to_version: to.manifest.pack.version,
      from_digest: from?.digest ?? null,
      from_generation: from?.generation ?? null,
      digest: to.digest,
      data_of_generation: to.dataOf ?? null,
    };
  });
}

function byId<Pack extends { manifest: Manifest }>(packs: readonly Pack[]): Map<string, Pack> {
  return new Map(packs.map((pack) => [pack.manifest.pack.id, pack]));
}

function actionKind(from: PresentPack | undefined, to: WantedPack): ActionKind {
  if (!from) return "install";
  const isSame = from.digest === to.digest && from.allowAll === to.allowAll;
  if (isSame && to.dataOf === undefined) return "none";
  const order = compareVersions(to.manifest.pack.version, from.manifest.pack.version);
  return order > 0 ? "upgrade" : order < 0 ? "downgrade" : "replace";
}

/** Every pack that changes must find its dependencies, and every pack that stays must still be content with them. */
function checkDependencies(
  after: ReadonlyMap<string, WantedPack | PresentPack>,
  wanted: ReadonlyMap<string, WantedPack>,
): void {
  const missing: Diagnostic[] = [];
  const conflicts: Diagnostic[] = [];
  const missingIds = new Set<string>();
  for (const [packId, { manifest }] of after)
    for (const { pack_id: neededId, version_constraint: range } of manifest.pack.dependencies) {
      if (!wanted.has(packId) && !wanted.has(neededId)) continue;
      const needed = after.get(neededId);
      if (!needed) {
        missing.push({ message: `"${packId}" ${manifest.pack.version} needs "${neededId}" ${range}` });
        missingIds.add(neededId);
      } else if (!satisfies(needed.manifest.pack.version, range)) {
        const where = wanted.has(neededId) ? "to be installed" : "live";
        conflicts.push({
          message: `"${packId}" ${manifest.pack.version} needs "${neededId}" ${range}, but ${needed.manifest.pack.version} is ${where}`,
        });
      }
    }
  if (missing.length > 0)
    throw new AuroraError(
      "dependency-missing",
      `cannot plan: ${countOf(missing, "dependency is", "dependencies are")} missing`,
      {
        diagnostics: [...missing, ...conflicts],
        hint: `give ${[...missingIds].map((id) => `"${id}"`).join(", ")} as a source too, or put it into a directory that AURORA_PACKS names`,
      },
    );
  if (conflicts.length > 0)
    throw new AuroraError(
      "version-conflict",
      `cannot plan: ${countOf(conflicts, "version constraint is", "version constraints are")} not satisfied`,
      {
        diagnostics: conflicts,
        hint: "give a version of the pack that all of them accept",
      },
    );
}

function countOf(list: readonly unknown[], one: string, many: string): string {
  return `${list.length} ${list.length === 1 ? one : many}`;
}

/**
 * Sorts packs so that each comes after what it depends on; ties by id, so that the order is the same every time.
 *
 * @throws {AuroraError} `dependency-cycle` naming the circle
 */
export function dependencyOrder(
  packIds: readonly string[],
  packs: ReadonlyMap<string, { manifest: Manifest }>,
): string[] {
  const included = new Set(packIds);
  const done = new Set<string>();
  const order: string[] = [];
  const path: string[] = [];
  const visit = (packId: string): void => {
    if (done.has(packId)) return;
    const start = path.indexOf(packId);
    if (start !== -1) {
      const circle = [...path.slice(start), packId].join(" → ");
      throw new AuroraError(
        "dependency-cycle",
        `cannot order the packs: they depend on each other in a circle: ${circle}`,
      );
    }
    path.push(packId);
    const dependencies = packs.get(packId)?.manifest.pack.dependencies ?? [];
    for (const { pack_id } of dependencies.toSorted((a, b) => compareText(a.pack_id, b.pack_id)))
      visit(pack_id);
    path.pop();
    done.add(packId);
    if (included.has(packId)) order.push(packId);
  };
  for (const packId of packIds.toSorted(compareText)) visit(packId);
  return order;
}

/** By code units, so that no locale changes an order. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
