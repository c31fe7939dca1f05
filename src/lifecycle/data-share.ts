import { type Manifest } from "../manifest/schema.ts";

export type DataMountEntry = Extract<Manifest["pack"]["mounts"][number], { type: "data" }>;

/**
 * Why a pack may not mount a part of another one's data; null where both manifests agree. Pure.
 *
 * @param giver the other pack's live manifest
 */
export function refusalOfShare(
  packId: string,
  { pack: other, source, mode }: DataMountEntry,
  giver: Manifest | undefined,
): string | null {
  if (!giver) return `the pack "${other}" is not installed`;
  // A manifest that was stored before there were shares has none.
  const shares: Partial<Manifest["pack"]["data"]>["share"] = giver.pack.data.share;
  const fitting = (shares ?? []).filter(
    (share) => share.with.includes(packId) && isWithin(source, share.path),
  );
  if (fitting.length === 0) return `the pack "${other}" does not share "${source}" with "${packId}"`;
  if (mode === "rw" && !fitting.some((share) => share.mode === "rw"))
    return `the pack "${other}" shares "${source}" for reading only`;
  return null;
}

/** Both absolute and without dots; a slash at the end means nothing. */
function isWithin(path: string, above: string): boolean {
  const [inner, outer] = [bare(path), bare(above)];
  return outer === "" || inner === outer || inner.startsWith(`${outer}/`);
}

function bare(path: string): string {
  return path.replace(/\/$/, "");
}
