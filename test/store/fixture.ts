import { mkdirSync } from "node:fs";

import { putTree, type StagedTree } from "../../src/store/put-tree.ts";
import { ensureHome } from "../../src/system/ensure-home.ts";
import { type HomePaths, homePaths } from "../../src/system/home.ts";
import { scratch } from "../support/aurora.ts";

/**
 * The digest as anybody can compute it with GNU tar and sha256sum.
 *
 * @returns undefined where GNU tar says that the tree does not fit the format
 */
export function tarDigest(directory: string, ...exclude: string[]): string | undefined {
  const command =
    'set -o pipefail; LC_ALL=C tar -C "$0" "$@" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --hard-dereference --format=ustar -cf - . | sha256sum';
  const { stdout, stderr, success } = Bun.spawnSync([
    "bash",
    "-c",
    command,
    directory,
    ...exclude.map((pattern) => `--exclude=${pattern}`),
  ]);
  if (success) return `sha256:${stdout.toString().slice(0, 64)}`;
  if (!stderr.toString().includes("too long")) throw new Error(stderr.toString());
  return undefined;
}

export type Store = {
  path: string;
  /** An empty directory for a pack. */
  pack: string;
  paths: HomePaths;
  [Symbol.dispose]: () => void;
};

/** A home and an empty pack beside it. */
export function createStore(): Store {
  const directory = scratch();
  const pack = `${directory.path}/pack`;
  mkdirSync(pack);
  const paths = homePaths(`${directory.path}/home`);
  ensureHome(paths);
  return { path: directory.path, pack, paths, [Symbol.dispose]: () => directory[Symbol.dispose]() };
}

/** Stores the pack as "demo". */
export async function put({ paths, pack }: Store): Promise<StagedTree> {
  return putTree(paths, pack, () => ({ pack_id: "demo", manifest: { pack: { id: "demo" } } }));
}
