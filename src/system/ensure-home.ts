import { accessSync, constants, existsSync } from "node:fs";

import { AuroraError, systemReason } from "../errors.ts";
import { makeDirectories, makeDirectory } from "./durable.ts";
import { type HomePaths } from "./home.ts";

/**
 * Creates the home and the directories in it, all mode 0700, where they do not exist yet.
 *
 * @throws {AuroraError} `home-unusable` where it cannot be created or written
 */
export function ensureHome(paths: HomePaths): void {
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

/** Whether this user may change the home: on a read-only one, reading commands still work. */
export function isHomeWritable(paths: HomePaths): boolean {
  try {
    accessSync(paths.home, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
