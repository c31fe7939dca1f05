import { type ActedPack } from "../../lifecycle/acted-packs.ts";

/** One line for each pack: "app is running (pid 12)". */
export function renderActed(packs: ActedPack[]): string {
  return packs
    .map(
      ({ pack_id, state, pid, changed }) =>
        `${pack_id} is ${changed ? "" : "already "}${state}${pid === null ? "" : ` (pid ${pid})`}`,
    )
    .join("\n");
}
