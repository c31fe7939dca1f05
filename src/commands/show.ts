import { healthIn, observeService } from "../lifecycle/observe-service.ts";
import { isRunning } from "../lifecycle/start-packs.ts";
import { unknownPack } from "../lifecycle/unknown-pack.ts";
import { type Manifest } from "../manifest/schema.ts";
import { manifestFromStored } from "../manifest/stored.ts";
import { environmentOf } from "../registry/environment.ts";
import { livePack } from "../registry/packs.ts";
import { serviceOf } from "../registry/services.ts";
import { newestTree, treeByDigest } from "../registry/trees.ts";
import { bootId } from "../system/boot.ts";
import { formatSize } from "../system/units.ts";
import { type Context, type Input } from "./command.ts";
import { counted } from "./shared/counted.ts";
import { checkPackId, openForReading } from "./shared/workspace.ts";

type Result = {
  pack_id: string;
  name: string;
  version: string;
  description: string;
  generation: number | null;
  digest: string;
  staged_digest: string | null;
  files: number | null;
  bytes: number | null;
  running: boolean;
  health: string;
  tree: string;
  data: string;
  logs: string;
  /** Names only: values may be secret. */
  environment: string[];
  manifest: Manifest;
};

export async function run(context: Context, { args: [packId = ""] }: Input): Promise<Result> {
  using workspace = await openForReading(context);
  const { registry, paths } = workspace;
  const live = livePack(registry, checkPackId(packId));
  const staged = newestTree(registry, packId);
  const shown = live ?? staged;
  if (!shown) throw unknownPack(workspace, packId, "is neither installed nor staged");
  const tree = treeByDigest(registry, shown.digest);
  const row = serviceOf(registry, packId);
  const manifest = manifestFromStored(shown.manifest, packId);
  return {
    pack_id: packId,
    name: manifest.pack.name,
    version: shown.version,
    description: manifest.pack.description,
    generation: live?.generation ?? null,
    digest: shown.digest,
    staged_digest: staged && staged.digest !== shown.digest ? staged.digest : null,
    files: tree?.files ?? null,
    bytes: tree?.bytes ?? null,
    running: live !== undefined && isRunning(workspace, packId),
    health: row ? healthIn(observeService(row, bootId()).state, row.health) : "unknown",
    tree: live ? paths.liveLink(packId) : paths.tree(shown.digest),
    data: paths.dataOf(packId),
    logs: paths.logsOf(packId),
    environment: environmentOf(registry, packId).map(({ name }) => name),
    manifest,
  };
}

export function render(result: Result): string {
  const { dependencies, entrypoint } = result.manifest.pack;
  const scripts = Object.entries(entrypoint).flatMap(([name, argv]) =>
    argv === null ? [] : [`${name}: ${argv.join(" ")}`],
  );
  const rows: [string, string][] = [
    ["pack", `${result.pack_id}  ${result.name}`],
    ["version", result.version],
    ...(result.description === "" ? [] : [["about", result.description] as [string, string]]),
    ["generation", result.generation === null ? "not installed" : String(result.generation)],
    ["digest", result.digest],
    ...(result.staged_digest === null ? [] : [["staged", result.staged_digest] as [string, string]]),
    ...(result.files === null || result.bytes === null
      ? []
      : [["size", `${counted(result.files, "file")}, ${formatSize(result.bytes)}`] as [string, string]]),
    ["running", result.running ? `yes, ${result.health}` : "no"],
    ["tree", result.tree],
    ["data", result.data],
    ["logs", result.logs],
    ...(scripts.length === 0 ? [] : [["scripts", scripts.join(", ")] as [string, string]]),
    ...(dependencies.length === 0
      ? []
      : [
          [
            "needs",
            dependencies
              .map(({ pack_id, version_constraint }) => `${pack_id} ${version_constraint}`)
              .join(", "),
          ] as [string, string],
        ]),
    ...(result.environment.length === 0
      ? []
      : [["variables", result.environment.join(", ")] as [string, string]]),
  ];
  return rows.map(([name, value]) => `${name.padEnd(10)}  ${value}`).join("\n");
}
