import { accessSync, constants, existsSync, statSync } from "node:fs";

import { AuroraError, systemReason } from "../errors.ts";
import { makeDirectories, makeDirectory } from "./durable.ts";
import { type HomePaths } from "./home.ts";
import { shellWord } from "./shell-word.ts";

/**
 * Creates the home and the directories in it, all mode 0700, where they do not exist yet.
 *
 * @throws {AuroraError} `home-unusable` where it cannot be created or written, or is another user's
 */
export function ensureHome(paths: HomePaths): void {
  refuseOtherOwner(paths);
  try {
    makeDirectory(paths.home, 0o700);
    const { store, live, data, logs, run, tmp } = paths;
    makeDirectories(paths.home, [store, live, data, logs, run, tmp], 0o700);
    accessSync(paths.home, constants.W_OK | constants.X_OK);
  } catch (thrown) {
    const reason = systemReason(thrown);
    if (reason === undefined) throw thrown;
    const isFull = (thrown as NodeJS.ErrnoException).code === "ENOSPC";
    throw new AuroraError(
      isFull ? "no-space" : "home-unusable",
      `cannot use the home "${paths.home}": ${reason}`,
      {
        cause: thrown,
        hint: isFull
          ? "free some space and run the command again"
          : "give --home DIR or set AURORA_HOME to a directory that you can write",
      },
    );
  }
}

/** Whether there is a home at all. Reading commands show nothing rather than create one. */
export function hasHome(paths: HomePaths): boolean {
  return existsSync(paths.home);
}

/** @throws {AuroraError} `home-unusable` where the home is another user's */
export function refuseOtherOwner(paths: HomePaths): void {
  const owner = otherOwner(paths);
  if (owner === undefined) return;
  throw new AuroraError("home-unusable", `cannot use the home "${paths.home}": it is that of user ${owner}`, {
    hint: `call aurora as that user: sudo -u "#${owner}" aurora --home ${shellWord(paths.home)} …`,
  });
}

/**
 * Who owns a home that is not the caller's. Root could write there, and what it makes would be its own, or that of the users which its packs
 * have: the home's owner could use none of it any more.
 */
function otherOwner({ database }: HomePaths): number | undefined {
  try {
    const { uid } = statSync(database);
    return uid === process.geteuid?.() ? undefined : uid;
  } catch {
    return undefined; // There is none yet, or one may not look.
  }
}

/** Whether this user may change the home: on a read-only one, or another user's, reading commands still work. */
export function isHomeWritable(paths: HomePaths): boolean {
  try {
    accessSync(paths.home, constants.W_OK | constants.X_OK);
    return otherOwner(paths) === undefined;
  } catch {
    return false;
  }
}
