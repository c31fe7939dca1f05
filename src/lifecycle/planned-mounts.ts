import { type Manifest } from "../manifest/schema.ts";

/** What a pack sees of others, or lets them see. */
export type PlannedMount = {
  pack_id: string;
  /** `host`: a directory of this machine. `data`: one of another pack's data. */
  type: "host" | "data";
  /** Where it appears in the pack's VFS. */
  path: string;
  /** The other pack, whose data it is. */
  from: string | null;
  source: string;
  mode: "ro" | "rw";
};

export type PlannedShare = { pack_id: string; path: string; with: string[]; mode: "ro" | "rw" };

/** The mounts of a pack that lead out of its own tree, data and memory. */
export function outsideMounts({ pack }: Manifest): PlannedMount[] {
  return pack.mounts.flatMap((mount) => {
    if (mount.type !== "host" && mount.type !== "data") return [];
    const { type, path, source, mode } = mount;
    return [{ pack_id: pack.id, type, path, from: mount.type === "data" ? mount.pack : null, source, mode }];
  });
}

/** What a pack shares of its data. A manifest that was stored before there were shares has none. */
export function sharesOf({ pack }: Manifest): PlannedShare[] {
  const shares: Manifest["pack"]["data"]["share"] | undefined = pack.data.share;
  return (shares ?? []).map((share) => ({ pack_id: pack.id, ...share }));
}
