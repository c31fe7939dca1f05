import { closeSync, existsSync, lstatSync, mkdirSync, readSync, symlinkSync, writeFileSync } from "node:fs";

import { AuroraError } from "../errors.ts";
import { type Manifest } from "../manifest/schema.ts";
import { manifestFromStored } from "../manifest/stored.ts";
import { environmentOf } from "../registry/environment.ts";
import { namespaces } from "../registry/namespaces.ts";
import { livePack } from "../registry/packs.ts";
import { openRegistry, type Registry } from "../registry/registry.ts";
import { serviceOf } from "../registry/services.ts";
import { copyTreeWritable } from "../store/copy-tree.ts";
import { cloneTree } from "../system/clone-tree.ts";
import { readLink } from "../system/durable.ts";
import { homePaths } from "../system/home.ts";
import { namesIfStill } from "../system/names-in.ts";
import { openRegular } from "../system/open-untrusted.ts";
import { createScratch, type Scratch } from "../system/scratch.ts";
import { USAGE_RECORD } from "../vfs/usage-record.ts";
import { isKeptOut } from "./pack-process.ts";
import { approvedPart, noPermissions, permissionsOf } from "./permissions.ts";
import {
  INSTALL_TIMEOUT_MS,
  runScript,
  type ScriptPack,
  type ScriptReport,
  TEST_TIMEOUT_MS,
} from "./script.ts";
import { type Workspace } from "./workspace.ts";

type FileChange = { path: string; change: "added" | "changed" | "removed" };

export type DryRunReport = {
  pack_id: string;
  digest: string;
  ok: boolean;
  steps: ScriptReport[];
  /** What the script did to its scratch: files by their path, `data/…` and `logs/…` among them, `ns:<pack id>`
   * and `env:<name>`. */
  changes: FileChange[];
};

/** How far a rehearsal may go. */
export type Approved = {
  /** The operator has approved the plan before its dry run. */
  isApproved: boolean;
  /** `--allow-all` is part of the plan. */
  allowAll: boolean;
};

const nothingApproved: Approved = { isApproved: false, allowAll: false };

/** A pack's data beyond this is not copied into the scratch of a dry run, which then finds its data empty. */
export const MAX_COPIED_DATA_BYTES = 256 * 1024 ** 2;

/**
 * Runs `install --dry-run` in a private copy: of the tree, of the data, and of the registry, so that even what the script
 * does through `"$AURORA_BIN"` stays there. Afterwards the home is compared with what it was.
 *
 * @throws {AuroraError} `state-invalid` where the script reached out of the copy and changed the home
 */
export async function dryRun(
  workspace: Workspace,
  manifest: Manifest,
  digest: string,
  approved: Approved,
): Promise<DryRunReport> {
  const { id, entrypoint } = manifest.pack;
  if (entrypoint.install === null) return { pack_id: id, digest, ok: true, steps: [], changes: [] };
  return await inScratchCopy(workspace, manifest, digest, approved, async (inner, pack) => {
    const step = await runScript(inner, pack, "install", {
      args: ["--dry-run"],
      timeoutMs: INSTALL_TIMEOUT_MS,
      signal: workspace.signal,
    });
    return { ...step, name: "dry-run" };
  });
}

/** Runs the pack's own tests in the same kind of copy. */
export async function testPack(
  workspace: Workspace,
  manifest: Manifest,
  digest: string,
): Promise<DryRunReport> {
  return await inScratchCopy(workspace, manifest, digest, nothingApproved, (inner, pack) =>
    runScript(inner, pack, "test", { timeoutMs: TEST_TIMEOUT_MS, signal: workspace.signal }),
  );
}

async function inScratchCopy(
  workspace: Workspace,
  manifest: Manifest,
  digest: string,
  approved: Approved,
  work: (inner: Workspace, pack: ScriptPack) => Promise<ScriptReport>,
): Promise<DryRunReport> {
  const { id } = manifest.pack;
  using scratch = createScratch(workspace.paths.tmp, "dry-run");
  const { paths, pack } = copyHome(workspace, scratch, manifest, digest, approved);
  using registry = openRegistry(paths);
  const before = { tree: fingerprints(pack.packDirectory), data: fingerprints(pack.dataDirectory) };
  const isOut = isKeptOut(workspace, pack);
  const homeBefore = homeFingerprint(workspace, id, digest, isOut);
  const { underLock: _, lockToken: __, ...outer } = workspace;
  const step = await work({ ...outer, paths, registry, homeOnDisk: workspace.paths.home }, pack);
  const homeAfter = homeFingerprint(workspace, id, digest, isOut);
  if (homeBefore !== homeAfter)
    throw new AuroraError(
      "state-invalid",
      `the ${step.name} of "${id}" reached out of its copy and changed the home`,
      {
        hint: `see what it changed with aurora verify ${id}; do not install this pack`,
      },
    );
  const changes = [
    ...changesBetween(before.tree, fingerprints(pack.packDirectory), ""),
    ...changesBetween(before.data, fingerprints(pack.dataDirectory), "data/").filter(
      ({ path }) => path !== `data/${USAGE_RECORD}`,
    ),
    ...changesBetween(new Map(), fingerprints(pack.logDirectory), "logs/").filter(
      ({ path }) => !isOurLog(path),
    ),
    ...changesBetween(recordPrints(workspace.registry, id), recordPrints(registry, id), ""),
  ].toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return { pack_id: id, digest, ok: step.rc === 0, steps: [step], changes };
}

/** A home that holds just what a script of this pack may look at. */
function copyHome(
  workspace: Workspace,
  scratch: Scratch,
  manifest: Manifest,
  digest: string,
  approved: Approved,
) {
  const { id } = manifest.pack;
  const paths = homePaths(`${scratch.path}/home`);
  for (const directory of [paths.home, paths.store, paths.live, paths.data, paths.logs, paths.run, paths.tmp])
    mkdirSync(directory, { mode: 0o700 });
  writeFileSync(paths.database, workspace.registry.serialize(), { mode: 0o600 });
  const packDirectory = `${scratch.path}/pack`;
  copyTreeWritable(workspace.paths.tree(digest), packDirectory);
  const dataDirectory = paths.dataOf(id);
  const realData = workspace.paths.dataOf(id);
  if (existsSync(realData) && sizeOf(realData) <= MAX_COPIED_DATA_BYTES) cloneTree(realData, dataDirectory);
  else {
    if (existsSync(realData))
      workspace.warn(`the data of "${id}" is too large to copy: the script finds it empty`);
    mkdirSync(dataDirectory, { mode: 0o700 });
  }
  mkdirSync(paths.logsOf(id), { mode: 0o700 });
  for (const [name, target] of [
    ["data", dataDirectory],
    ["logs", paths.logsOf(id)],
  ] as const)
    if (!lstatSync(`${packDirectory}/${name}`, { throwIfNoEntry: false }))
      symlinkSync(target, `${packDirectory}/${name}`);
  const pack: ScriptPack = {
    manifest,
    generation: 0,
    packDirectory,
    dataDirectory,
    logDirectory: paths.logsOf(id),
    home: paths.home,
    isDryRun: true,
    ...rehearsalRights(workspace, manifest, approved),
  };
  return { paths, pack };
}

/**
 * What a rehearsal may: what the operator has approved already. That is what the generation has that is live, or all that is
 * asked for where the approval came with the command.
 */
function rehearsalRights(
  { registry }: Workspace,
  manifest: Manifest,
  { isApproved, allowAll }: Approved,
): Pick<ScriptPack, "permissions" | "allowAll"> {
  const asked = permissionsOf(manifest);
  if (isApproved) return { permissions: asked, allowAll };
  const live = livePack(registry, manifest.pack.id);
  const granted =
    live === undefined ? noPermissions : permissionsOf(manifestFromStored(live.manifest, live.pack_id));
  return { permissions: approvedPart(granted, asked), allowAll: allowAll && live?.allow_all === 1 };
}

type Fingerprints = Map<string, string>;

/** Path → what tells one content from another. Never follows a link. */
function fingerprints(directory: string): Fingerprints {
  const found: Fingerprints = new Map();
  const visit = (path: string, relative: string): void => {
    for (const name of namesIfStill(path)) {
      const inner = `${path}/${name}`;
      const shown = relative === "" ? name : `${relative}/${name}`;
      const stat = lstatSync(inner, { bigint: true, throwIfNoEntry: false });
      if (stat === undefined) continue;
      if (stat.isSymbolicLink()) {
        if (relative !== "" || (name !== "data" && name !== "logs"))
          found.set(shown, `link ${readLink(inner)}`);
      } else if (stat.isDirectory()) {
        found.set(`${shown}/`, "directory");
        visit(inner, shown);
      } else
        found.set(
          shown,
          `${stat.mode} ${stat.size} ${stat.mtimeNs} ${stat.ino} ${stat.isFile() ? contentHash(inner, stat.size) : ""}`,
        );
    }
  };
  if (existsSync(directory)) visit(directory, "");
  return found;
}

/** Size, time and inode are enough for big files; the content of small ones catches a change that restores the time. */
function contentHash(path: string, size: bigint): string {
  if (size > 65_536n) return "";
  // The pack may have put something else there meanwhile.
  const descriptor = openRegular(path);
  if (descriptor === undefined) return "";
  try {
    const bytes = Buffer.alloc(Number(size));
    return Bun.hash(bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, 0))).toString(36);
  } finally {
    closeSync(descriptor);
  }
}

function changesBetween(before: Fingerprints, after: Fingerprints, prefix: string): FileChange[] {
  const changes: FileChange[] = [];
  for (const [path, print] of after) {
    const old = before.get(path);
    if (old === undefined) changes.push({ path: prefix + path, change: "added" });
    else if (old !== print) changes.push({ path: prefix + path, change: "changed" });
  }
  for (const path of before.keys())
    if (!after.has(path)) changes.push({ path: prefix + path, change: "removed" });
  return changes;
}

/** The log that Aurora itself writes of the script. */
function isOurLog(path: string): boolean {
  return path === "logs/install.log" || path === "logs/test.log";
}

/** What a script may have changed in the registry's copy. */
function recordPrints(registry: Registry, packId: string): Fingerprints {
  return new Map([
    ...namespaces(registry).map(({ pack_id, meta }) => [`ns:${pack_id}`, meta] as const),
    ...environmentOf(registry, packId).map(({ name, value }) => [`env:${name}`, value] as const),
  ]);
}

/**
 * One value over what a pack's script must not touch: the stored tree, and where nothing keeps it from them, its link, and its data
 * while no service of its own works on that. Those may be changed by others meanwhile, who take no lock that this holds.
 */
function homeFingerprint(workspace: Workspace, packId: string, digest: string, isScriptOut: boolean): string {
  const { paths, registry } = workspace;
  const hash = new Bun.CryptoHasher("sha256");
  if (!isScriptOut) hash.update(readLink(paths.liveLink(packId)) ?? "");
  const isAtWork = isScriptOut || serviceOf(registry, packId)?.wanted === "running";
  for (const directory of isAtWork ? [paths.tree(digest)] : [paths.tree(digest), paths.dataOf(packId)])
    for (const [path, print] of [...fingerprints(directory)].toSorted(([a], [b]) => (a < b ? -1 : 1)))
      hash.update(`${path}\0${print}\n`);
  return hash.digest("hex");
}

function sizeOf(directory: string): number {
  let total = 0;
  for (const name of namesIfStill(directory)) {
    const path = `${directory}/${name}`;
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) total += sizeOf(path);
    else if (stat?.isFile()) total += stat.size;
  }
  return total;
}
