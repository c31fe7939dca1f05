import { type Manifest } from "../manifest/schema.ts";
import { type ConfinementSummary } from "./pack-process.ts";
import { type PlanAction } from "./plan.ts";
import { outsideMounts, type PlannedMount, type PlannedShare, sharesOf } from "./planned-mounts.ts";

/** What the operator reviews, and what `plan --json` prints. */
export type PlanDocument = {
  /** Approving this digest approves exactly this plan: a change of anything that it covers gives another one. */
  plan_digest: string;
  approval_required: boolean;
  changed: boolean;
  actions: PlanAction[];
  permissions: PackPermissions[];
  /** What the packs see of the machine and of each other's data. */
  mounts: PlannedMount[];
  /** What they let others see of theirs. */
  shares: PlannedShare[];
  /** What confines each pack's processes on this machine. */
  confinement: PackConfinement[];
  /** Paths as `<pack id>/<path>`. */
  files: { added: string[]; changed: string[]; removed: string[] };
};

type PackPermissions = Manifest["pack"]["permissions"] & {
  pack_id: string;
  limits: Manifest["pack"]["limits"];
  /** The operator lets it run unconfined: then the rest means nothing. */
  allow_all: boolean;
  /** What it may now and could not before, in words: this is what needs an approval. */
  grows: string[];
};

type PackConfinement = ConfinementSummary & { pack_id: string };

/** What the plan digest covers beside the actions: for each pack the names of its variables and what it may. */
export type PlannedPack = {
  manifest: Manifest;
  environmentNames: string[];
  files: PlanDocument["files"];
  allowAll: boolean;
  /** As `growthOf` says. */
  grows: string[];
  confinement: ConfinementSummary;
};

/**
 * Puts the plan together: pure.
 *
 * An approval is required where a pack asks for it, and where one may more than before: what nobody has approved is never
 * opened up.
 *
 * The digest covers the bytes and with them the scripts (by each tree's digest), the names of the variables, the
 * permissions and mounts, what confines them, and the state before (generation and digest of each pack): approving it cannot
 * approve anything else.
 */
export function planDocument(
  kind: string,
  actions: readonly PlanAction[],
  packs: ReadonlyMap<string, PlannedPack>,
): PlanDocument {
  const changing = actions.filter(({ action }) => action !== "none");
  const permissions = actions.flatMap(({ pack_id }) => {
    const pack = packs.get(pack_id);
    return pack ? [permissionsFor(pack_id, pack)] : [];
  });
  const confinement = actions.flatMap(({ pack_id }) => {
    const pack = packs.get(pack_id);
    return pack ? [{ pack_id, ...pack.confinement }] : [];
  });
  const manifests = actions.flatMap(({ pack_id }) => packs.get(pack_id)?.manifest ?? []);
  const mounts = manifests.flatMap(outsideMounts);
  const shares = manifests.flatMap(sharesOf);
  const environment = Object.fromEntries(
    actions.map(({ pack_id }) => [pack_id, packs.get(pack_id)?.environmentNames ?? []]),
  );
  const files: PlanDocument["files"] = { added: [], changed: [], removed: [] };
  for (const { pack_id } of changing)
    for (const change of ["added", "changed", "removed"] as const)
      files[change].push(...(packs.get(pack_id)?.files[change] ?? []).map((path) => `${pack_id}/${path}`));
  return {
    plan_digest: digestOf({ kind, actions, permissions, mounts, shares, environment, confinement }),
    approval_required: changing.some(({ pack_id }) => needsApproval(packs.get(pack_id))),
    changed: changing.length > 0,
    actions: [...actions],
    permissions,
    mounts,
    shares,
    confinement,
    files,
  };
}

function permissionsFor(packId: string, { manifest, allowAll, grows }: PlannedPack): PackPermissions {
  const { permissions, limits } = manifest.pack;
  return {
    pack_id: packId,
    ...permissions,
    limits,
    allow_all: allowAll,
    grows,
  };
}

/** A pack may do without approval, but nothing outside is opened up to it without one. */
function needsApproval(pack: PlannedPack | undefined): boolean {
  return !pack || pack.manifest.pack.safety.operator_approval_required || pack.grows.length > 0;
}

/** SHA-256 over JSON with sorted keys, so that it depends on nothing but the values. */
function digestOf(value: unknown): string {
  const canonical = JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
  return `sha256:${new Bun.CryptoHasher("sha256").update(canonical).digest("hex")}`;
}
