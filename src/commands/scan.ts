import { type Dirent, readdirSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";

import { AuroraError, systemReason } from "../errors.ts";
import { MANIFEST_FILES, readManifest } from "../manifest/read.ts";
import { type Context, type Input, type Paint } from "./command.ts";
import { table } from "./shared/text-table.ts";

type ScannedPack = {
  path: string;
  pack_id: string | null;
  version: string | null;
  manifest: string;
  ok: boolean;
};

/** Deeper trees are not looked into: packs lie near the top, and a mount of a whole disk should not be walked. */
const MAX_SCAN_DEPTH = 16;
/** Directories that hold other people's files. */
const IGNORED = new Set(["node_modules", ".git", ".hg", ".svn"]);

export function run(context: Context, { args }: Input): ScannedPack[] {
  const shownAs = args[0] ?? ".";
  const root = resolve(context.cwd, shownAs);
  const stat = statSync(root, { throwIfNoEntry: false });
  if (stat === undefined)
    throw new AuroraError("not-found", `cannot scan "${shownAs}": there is no such directory`);
  if (!stat.isDirectory())
    throw new AuroraError("not-a-directory", `cannot scan "${shownAs}": it is not a directory`);

  const packs: ScannedPack[] = [];
  // What is stored in the home is known, by list and show.
  const home = resolve(context.cwd, context.home);
  const waiting = [{ path: root, depth: 0 }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { path, depth } = next;
    const entries = entriesOf(context, path);
    // What lies inside a pack belongs to it: a pack holds no packs.
    const manifest = MANIFEST_FILES.find((name) =>
      entries.some((entry) => entry.name === name && !entry.isDirectory()),
    );
    if (manifest !== undefined) {
      packs.push(scannedPack(path, manifest));
      continue;
    }
    const below = entries.filter(
      (entry) => entry.isDirectory() && !IGNORED.has(entry.name) && join(path, entry.name) !== home,
    );
    if (depth === MAX_SCAN_DEPTH) {
      if (below.length > 0)
        context.log.warn(`"${path}" is not looked into: it is ${MAX_SCAN_DEPTH} levels deep`);
      continue;
    }
    for (const entry of below) waiting.push({ path: join(path, entry.name), depth: depth + 1 });
  }
  return packs.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

export function render(packs: ScannedPack[], paint: Paint): string {
  if (packs.length === 0) return "no packs found";
  const text = table(
    ["PACK", "VERSION", "MANIFEST"],
    packs.map(({ pack_id, version, manifest, path, ok }) => [
      ok ? (pack_id ?? "") : "(invalid)",
      version ?? "",
      join(path, manifest),
    ]),
  );
  const isAllOk = packs.every(({ ok }) => ok);
  return isAllOk ? text : `${text}\n${paint.cyan("hint")}: aurora check PATH says what is wrong with a pack`;
}

function scannedPack(path: string, found: string): ScannedPack {
  try {
    const { manifest, file } = readManifest(path);
    return {
      path,
      pack_id: manifest.pack.id,
      version: manifest.pack.version,
      manifest: basename(file),
      ok: true,
    };
  } catch (thrown) {
    if (!(thrown instanceof AuroraError)) throw thrown;
    return { path, pack_id: null, version: null, manifest: found, ok: false };
  }
}

/** What is in a directory. Symlinks are no directories here, so nothing outside is looked at and no circle is walked. */
function entriesOf(context: Context, path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (thrown) {
    const reason = systemReason(thrown);
    if (reason === undefined) throw thrown;
    context.log.warn(`cannot look into "${path}": ${reason}`);
    return [];
  }
}
