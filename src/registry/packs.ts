import { type Registry } from "./registry.ts";
import { type Health, type ObservedColumns, type ServiceRemarks, type ServiceRow } from "./services.ts";

/** A pack that is live. */
export type PackRow = {
  pack_id: string;
  generation: number;
  digest: string;
  version: string;
  /** The normalized manifest, as JSON. */
  manifest: string;
  /** 1 where the operator let it run unconfined. */
  allow_all: number;
};

export function livePack(registry: Registry, packId: string): PackRow | undefined {
  return registry.get<PackRow>("SELECT * FROM packs WHERE pack_id = ?", packId);
}

/** What `status` shows of a live pack; the columns of its service are null where it never had one. */
export type StatusRow = Pick<PackRow, "pack_id" | "generation" | "version"> &
  (
    | (Pick<ServiceRow, "since" | "rc" | "restarts" | "health"> &
        ServiceRemarks &
        ObservedColumns & { confinement: string | null })
    | { state: null }
  );

/**
 * One statement for all of it, and for the packs that are named only, since it is asked for so often.
 *
 * @param packIds empty: all
 */
export function statusRows(registry: Registry, packIds: readonly string[]): StatusRow[] {
  const named = packIds.length === 0 ? "" : `WHERE packs.pack_id IN (${packIds.map(() => "?").join(", ")})`;
  return registry.all(
    `SELECT packs.pack_id, packs.generation, version, state, since, service_id, session, boot_id, processes, rc, restarts,
       health, reason, last_end, next_start, status_text, summary AS confinement
     FROM packs LEFT JOIN services USING (pack_id) LEFT JOIN service_confinement USING (pack_id) ${named}
     ORDER BY packs.pack_id`,
    ...packIds,
  );
}

/** The live packs without their manifests, which are most of the bytes. */
export function livePackSummaries(registry: Registry): Omit<PackRow, "manifest">[] {
  return registry.all("SELECT pack_id, generation, digest, version, allow_all FROM packs ORDER BY pack_id");
}

type ListedPack = Pick<PackRow, "pack_id" | "generation" | "digest" | "version"> &
  ((ObservedColumns & { health: Health }) | { state: null; health: null });

/**
 * The live packs, each with what tells how its service is; null where it never had one. One statement with few columns: of
 * 200 packs it takes half the time of two.
 */
export function listedPacks(registry: Registry): ListedPack[] {
  return registry.all(
    `SELECT packs.pack_id, packs.generation, digest, version, state, service_id, session, boot_id, processes, health
     FROM packs LEFT JOIN services USING (pack_id) ORDER BY packs.pack_id`,
  );
}

export function livePacks(registry: Registry): PackRow[] {
  return registry.all<PackRow>("SELECT * FROM packs ORDER BY pack_id");
}

export function setLivePack(registry: Registry, pack: PackRow): void {
  registry.run(
    `INSERT INTO packs (pack_id, generation, digest, version, manifest, allow_all) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (pack_id) DO UPDATE SET generation = excluded.generation, digest = excluded.digest,
       version = excluded.version, manifest = excluded.manifest, allow_all = excluded.allow_all`,
    pack.pack_id,
    pack.generation,
    pack.digest,
    pack.version,
    pack.manifest,
    pack.allow_all,
  );
}

export function forgetLivePack(registry: Registry, packId: string): void {
  registry.run("DELETE FROM packs WHERE pack_id = ?", packId);
}

/** Every pack id that the registry has heard of: live, staged, or only in the history. */
export function knownPackIds(registry: Registry): string[] {
  return registry
    .all<{ pack_id: string }>(
      "SELECT pack_id FROM packs UNION SELECT pack_id FROM trees UNION SELECT pack_id FROM generations ORDER BY 1",
    )
    .map((row) => row.pack_id);
}

/** The format that a pack's data is in: the `data.epoch` of the last generation that was committed. It outlives a removal. */
export function dataEpochOf(registry: Registry, packId: string): number | undefined {
  return registry.get<{ epoch: number }>("SELECT epoch FROM data_epochs WHERE pack_id = ?", packId)?.epoch;
}

/** Records the format of a pack's data; undefined where the data is gone. */
export function setDataEpoch(registry: Registry, packId: string, epoch: number | undefined): void {
  if (epoch === undefined) registry.run("DELETE FROM data_epochs WHERE pack_id = ?", packId);
  else
    registry.run(
      "INSERT INTO data_epochs (pack_id, epoch) VALUES (?, ?) ON CONFLICT (pack_id) DO UPDATE SET epoch = excluded.epoch",
      packId,
      epoch,
    );
}
