import { AuroraError } from "../errors.ts";
import { knownPackIds } from "../registry/packs.ts";
import { nearest } from "../system/nearest.ts";
import { type Workspace } from "./workspace.ts";

/** `not-found` for a pack id, with the nearest known one as the hint: not for one that is known, and only not installed. */
export function unknownPack(
  { registry }: Pick<Workspace, "registry">,
  packId: string,
  what: string,
): AuroraError {
  const known = knownPackIds(registry);
  const near = known.includes(packId) ? undefined : nearest(packId, known);
  return new AuroraError("not-found", `the pack "${packId}" ${what}`, {
    hint: near ? `did you mean "${near}"?` : "aurora list shows the packs",
  });
}
