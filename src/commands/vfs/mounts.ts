import { formatSize } from "../../system/units.ts";
import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";
import { table } from "../shared/text-table.ts";

type Result = {
  path: string;
  type: "data" | "memory" | "pack" | "host";
  mode: "ro" | "rw";
  /** The directory of a host mount. */
  source: string | null;
  /** How much a memory mount may hold. */
  size_bytes: number | null;
  /** Whether other commands see what a memory mount holds. */
  shared: boolean;
}[];

export async function run(context: Context, { args: [packId = ""] }: Input): Promise<Result> {
  using vfs = await openPackVfs(context, packId, "read");
  return vfs.mounts().map(({ path, kind, mode, spec }) => ({
    path,
    type: kind,
    mode,
    source: spec?.kind === "host" ? spec.directory : null,
    size_bytes: spec?.kind === "memory" ? spec.sizeBytes : null,
    shared: spec?.kind !== "memory" || spec.directory !== undefined,
  }));
}

export function render(mounts: Result): string {
  return table(
    ["PATH", "TYPE", "MODE", "SIZE", "SOURCE"],
    mounts.map(({ path, type, mode, source, size_bytes }) => [
      path,
      type,
      mode,
      size_bytes === null ? "-" : formatSize(size_bytes),
      source ?? "-",
    ]),
  );
}
