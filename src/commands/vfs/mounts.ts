import { formatSize } from "../../system/units.ts";
import { type MountSpec } from "../../vfs/mount-table.ts";
import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";
import { table } from "../shared/text-table.ts";

type Result = {
  path: string;
  type: "data" | "memory" | "pack" | "host";
  mode: "ro" | "rw";
  /** The directory of a host mount; the path in the other pack's data. */
  source: string | null;
  /** How much a memory mount may hold. */
  size_bytes: number | null;
  /** Whether other commands see what a memory mount holds. */
  shared: boolean;
  /** Why it cannot be used; null where it can. */
  problem: string | null;
}[];

export async function run(context: Context, { args: [packId = ""] }: Input): Promise<Result> {
  using vfs = await openPackVfs(context, packId, "read");
  return vfs.mounts().map(({ path, kind, mode, spec }) => ({
    path,
    type: spec?.kind === "refused" ? spec.as : (kind as "data"),
    mode,
    source: sourceOf(spec),
    size_bytes: spec?.kind === "memory" ? spec.sizeBytes : null,
    shared: spec?.kind !== "memory" || spec.directory !== undefined,
    problem: spec?.kind === "refused" ? spec.reason : null,
  }));
}

function sourceOf(spec: MountSpec | undefined): string | null {
  if (spec?.kind === "host") return spec.directory;
  return spec?.kind === "data" ? spec.subPath : null;
}

export function render(mounts: Result): string {
  return table(
    ["PATH", "TYPE", "MODE", "SIZE", "SOURCE"],
    mounts.map(({ path, type, mode, source, size_bytes, problem }) => [
      path,
      type,
      mode,
      size_bytes === null ? "-" : formatSize(size_bytes),
      problem === null ? (source ?? "-") : `(${problem})`,
    ]),
  );
}
