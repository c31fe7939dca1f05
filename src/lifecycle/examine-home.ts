import { closeSync, existsSync, lstatSync, openSync, statfsSync } from "node:fs";

import { AuroraError } from "../errors.ts";
import { livePacks } from "../registry/packs.ts";
import { openRegistryForReading, type Registry } from "../registry/registry.ts";
import { openTransactions } from "../registry/transactions.ts";
import { isHomeWritable } from "../system/ensure-home.ts";
import { tryFlock } from "../system/flock.ts";
import { freeSpace } from "../system/free-space.ts";
import { type HomePaths } from "../system/home.ts";
import { mountOf } from "../system/mount.ts";
import { createScratch } from "../system/scratch.ts";
import { formatSize } from "../system/units.ts";
import { holdForLook } from "./home-lock.ts";
import { damageOf } from "./live-pack.ts";
import { FREE_SPACE_RESERVE_BYTES } from "./prepare.ts";
import { registryFaults } from "./registry-faults.ts";
import { hasDamagedManifest } from "./stored-manifests.ts";

export type Check = { name: string; ok: boolean; detail: string; hint: string | null };

/** Directories for all, and nobody's own: a home there can be changed by others. */
const OTHERS_MAY_WRITE = 0o022;

/**
 * Looks whether a home can be relied on: whose it is, what its file system can do, and whether its state is sound. Writes
 * nothing but scratch, and that only where there is a home.
 */
export function examineHome(paths: HomePaths, uid: number): Check[] {
  if (!existsSync(paths.home))
    return [good("home", `"${paths.home}" does not exist yet: it is created on first use`)];
  return [
    ownerCheck(paths, uid),
    ...executeCheck(paths),
    ...(isHomeWritable(paths) ? [lockCheck(paths), spaceCheck(paths)] : [readOnly(paths)]),
    ...stateChecks(paths),
  ];
}

function ownerCheck({ home }: HomePaths, uid: number): Check {
  const stat = lstatSync(home);
  if (stat.uid !== uid && uid !== 0)
    return bad("home", `"${home}" belongs to user ${stat.uid}`, "give --home DIR, or run this as its owner");
  if ((stat.mode & OTHERS_MAY_WRITE) !== 0)
    return bad(
      "home",
      `"${home}" may be written by others (mode ${(stat.mode & 0o777).toString(8)})`,
      `chmod go-w '${home}'`,
    );
  return good("home", `"${home}", mode ${(stat.mode & 0o777).toString(8)}`);
}

/** What is mounted noexec holds no packs but those in TypeScript. */
function executeCheck({ home }: HomePaths): Check[] {
  const mount = mountOf(home);
  if (!mount?.options.includes("noexec")) return [];
  return [
    bad(
      "execute",
      `"${mount.place}" is mounted noexec: no script of a pack can be run there`,
      `mount -o remount,exec ${mount.place}, or give --home DIR`,
    ),
  ];
}

function readOnly({ home }: HomePaths): Check {
  return bad("write", `"${home}" may not be written by this user`, "only commands that look will work");
}

/** Two descriptors of one file must not both get the lock: network file systems may pretend. */
function lockCheck(paths: HomePaths): Check {
  using scratch = createScratch(paths.tmp, "doctor");
  const path = `${scratch.path}/lock`;
  const [first, second] = [openSync(path, "a", 0o600), openSync(path, "a", 0o600)];
  try {
    if (!tryFlock(first, "exclusive") || tryFlock(second, "exclusive"))
      return bad("locks", "the file system does not keep locks apart", "put the home on a local file system");
    return good("locks", "the kernel keeps them");
  } finally {
    closeSync(first);
    closeSync(second);
  }
}

function spaceCheck({ home }: HomePaths): Check {
  const free = freeSpace(home);
  if (free === undefined) return good("space", "its file system does not say how much is free");
  const { files, ffree } = statfsSync(home);
  if (free < FREE_SPACE_RESERVE_BYTES)
    return bad("space", `${formatSize(free)} are free`, "free some space, or run aurora gc");
  if (files > 0 && ffree < 1000)
    return bad("space", `only ${ffree} more files fit`, "remove files from this file system");
  return good("space", `${formatSize(free)} are free`);
}

function stateChecks(paths: HomePaths): Check[] {
  try {
    using registry = openRegistryForReading(paths);
    return [registryCheck(registry, paths), transactionCheck(registry, paths)];
  } catch (thrown) {
    if (!(thrown instanceof AuroraError)) throw thrown;
    return [bad("registry", thrown.message, thrown.hint ?? null)];
  }
}

function transactionCheck(registry: Registry, paths: HomePaths): Check {
  using hold = holdForLook(paths);
  // Of who holds the lock one is open too, and was not interrupted.
  const isAtWork = hold === undefined && existsSync(paths.lock);
  const all = openTransactions(registry);
  const open = all.filter(({ state }) => state === "unconfirmed" || !isAtWork);
  if (open.length === 0) return good("transactions", all.length === 0 ? "none is open" : "one is at work");
  return bad(
    "transactions",
    `${open.length} open: ${open.map(({ kind, state }) => `${kind} ${state}`).join(", ")}`,
    "aurora recover finishes what was interrupted, aurora confirm keeps what waits",
  );
}

function registryCheck(registry: Registry, paths: HomePaths): Check {
  const problems = registryFaults(registry);
  if (problems.length > 0)
    return bad(
      "registry",
      problems.join("; "),
      "bring state.db back from a backup, or see aurora recover --rebuild",
    );
  const damaged = livePacks(registry).flatMap((row) => {
    const unreadable = damageOf(registry, row)?.message;
    const isAnother = hasDamagedManifest({ registry, paths }, row.digest);
    return unreadable ?? (isAnother ? `the stored manifest of "${row.pack_id}" is not the store's` : []);
  });
  if (damaged.length === 0) return good("registry", "sound");
  return bad("registry", damaged.join("; "), "aurora recover puts it back from the store");
}

export function good(name: string, detail: string): Check {
  return { name, ok: true, detail, hint: null };
}

export function bad(name: string, detail: string, hint: string | null): Check {
  return { name, ok: false, detail, hint };
}
