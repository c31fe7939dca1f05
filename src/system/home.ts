import { realpathSync } from "node:fs";

import { AuroraError } from "../errors.ts";

/**
 * The home for this call: `--home`, `$AURORA_HOME`, `/var/lib/aurora` for root, else
 * `$XDG_DATA_HOME/aurora` or `~/.local/share/aurora`. Nothing is created.
 *
 * @param cwd tells the current directory, where that is needed
 * @returns an absolute path
 * @throws {AuroraError} `home-unusable` where none of them is set, `usage` for an empty `--home`
 */
export function homeDirectory(
  option: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  uid: number,
  cwd: () => string,
): string {
  if (option === "") throw new AuroraError("usage", "option --home needs a directory");
  const named = option ?? nonEmpty(env["AURORA_HOME"]);
  if (named !== undefined) return absolute(named, cwd);
  if (uid === 0) return "/var/lib/aurora";
  const data = env["XDG_DATA_HOME"];
  // XDG Base Directory Specification: a relative path is to be ignored.
  if (data?.startsWith("/")) return `${trimSlash(data)}/aurora`;
  const userHome = nonEmpty(env["HOME"]);
  if (userHome?.startsWith("/")) return `${trimSlash(userHome)}/.local/share/aurora`;
  throw new AuroraError(
    "home-unusable",
    "cannot tell where the home is: neither AURORA_HOME, XDG_DATA_HOME nor HOME is set",
    {
      hint: "give --home DIR",
    },
  );
}

function absolute(path: string, cwd: () => string): string {
  return trimSlash(path.startsWith("/") ? path : `${cwd().replace(/\/$/, "")}/${path}`);
}

function trimSlash(path: string): string {
  return path.replace(/\/+$/, "") || "/";
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

/**
 * The same place without symbolic links, as far as it exists. By such names the kernel tells where processes work, and by one name
 * all commands know a home, whichever way each of them was told of it.
 *
 * @param path absolute
 */
export function withoutLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // What is not there yet, or not to be seen, is in a directory that may be.
    const slash = path.lastIndexOf("/");
    if (slash <= 0) return path;
    return withoutLinks(path.slice(0, slash)).replace(/^\/$/, "") + path.slice(slash);
  }
}

/** Where things are in a home. Pure: nothing is created or looked at. */
export type HomePaths = ReturnType<typeof homePaths>;

export function homePaths(home: string) {
  return {
    home,
    database: `${home}/state.db`,
    store: `${home}/store`,
    live: `${home}/live`,
    data: `${home}/data`,
    snapshots: `${home}/snapshots`,
    generations: `${home}/generations`,
    logs: `${home}/logs`,
    run: `${home}/run`,
    background: `${home}/run/background`,
    tmp: `${home}/tmp`,
    packs: `${home}/packs`,
    lock: `${home}/run/lock`,
    kernel: `${home}/run/kernel.json`,
    /** The tree of a digest, `sha256:<hex>`. */
    tree: (digest: string) => `${home}/store/${hexOf(digest)}`,
    liveLink: (packId: string) => `${home}/live/${packId}`,
    /** What the live link says: relative, so that a home may be moved. */
    liveTarget: (digest: string) => `../store/${hexOf(digest)}`,
    dataOf: (packId: string) => `${home}/data/${packId}`,
    logsOf: (packId: string) => `${home}/logs/${packId}`,
    generationsOf: (packId: string) => `${home}/generations/${packId}`,
    snapshotsOf: (packId: string) => `${home}/snapshots/${packId}`,
  };
}

/** The 64 hex digits of a digest `sha256:<hex>`. */
export function hexOf(digest: string): string {
  return digest.slice("sha256:".length);
}
