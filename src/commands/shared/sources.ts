import { readdirSync, statSync } from "node:fs";
import { resolve } from "node:path";

import { AuroraError } from "../../errors.ts";
import { homePaths } from "../../system/home.ts";
import { nearest } from "../../system/nearest.ts";
import { type Context } from "../command.ts";

type Place = Pick<Context, "cwd" | "env" | "home">;

/** The ids a pack may have. */
export const PACK_ID = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** Whether a source names a directory rather than a pack's id. */
export function isSourcePath(source: string): boolean {
  return source.includes("/") || source === "." || source === "..";
}

/**
 * The directory of a source: a value that holds a `/` or is `.` is a path; an id is looked for in `$AURORA_PACKS`, in
 * `./packs`, then in `packs` under the home.
 *
 * @returns an absolute path of an existing directory
 * @throws {AuroraError} `not-found`, which names the places, and `not-a-directory`
 */
export function resolveSource(context: Place, source: string): string {
  if (!isSourcePath(source)) return findSource(context, source) ?? refuseUnknown(context, source);
  const path = resolve(context.cwd, source);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined)
    throw new AuroraError("not-found", `cannot find the pack "${source}": there is no such directory`);
  if (!stat.isDirectory())
    throw new AuroraError("not-a-directory", `cannot use the pack "${source}": it is not a directory`, {
      hint: "name the directory that holds the manifest",
    });
  return path;
}

/** The directory of the pack with this id, or undefined where none of the places has one. */
export function findSource(context: Place, packId: string): string | undefined {
  if (!PACK_ID.test(packId)) return undefined;
  return sourcePlaces(context)
    .map((place) => `${place}/${packId}`)
    .find((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory());
}

/** How to name the source of a pack with this id, as far as it is seen from here: its id, `./ID`, or the `SRC` of the usage. */
export function sourceFor(context: Place, packId: string): string {
  if (findSource(context, packId) !== undefined) return packId;
  return isDirectoryHere(context, packId) ? `./${packId}` : "SRC";
}

/** Where packs are looked for by id, in this order. Relative ones in `$AURORA_PACKS` start at the current directory. */
function sourcePlaces({ cwd, env, home }: Place): string[] {
  const named = (env["AURORA_PACKS"] ?? "").split(":").filter((directory) => directory !== "");
  return [...named.map((directory) => resolve(cwd, directory)), resolve(cwd, "packs"), homePaths(home).packs];
}

function refuseUnknown(context: Place, source: string): never {
  const places = sourcePlaces(context);
  const near = nearest(source, places.flatMap(packIdsIn));
  const isHere = source !== "" && isDirectoryHere(context, source);
  const looked = places.map((place) => `"${place}"`).join(", ");
  throw new AuroraError("not-found", `cannot find the pack "${source}": it is not in ${looked}`, {
    hint: source.startsWith("sha256:")
      ? `a plan's digest stands behind an equals sign: --approve=${source}`
      : isHere
        ? `"./${source}" names the directory here`
        : near
          ? `did you mean "${near}"?`
          : "name its directory, such as ./my-pack, or set AURORA_PACKS",
  });
}

function isDirectoryHere({ cwd }: Place, name: string): boolean {
  return statSync(resolve(cwd, name), { throwIfNoEntry: false })?.isDirectory() === true;
}

function packIdsIn(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => !entry.isFile() && PACK_ID.test(entry.name))
      .map(({ name }) => name)
      .toSorted();
  } catch {
    // A place that is not there, or may not be read, holds no pack.
    return [];
  }
}
