import { readdirSync } from "node:fs";

/**
 * The names in a directory, sorted; none where it is not there.
 *
 * @throws what node:fs throws where it cannot be read
 */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).toSorted();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw thrown;
  }
}

/**
 * The names in what was a directory a moment ago, in no order. Whoever works there may have removed it, or put something else in
 * its place: then there are none. Of one that is open Linux says that it is not there once it was removed.
 *
 * @throws what node:fs throws where it cannot be read
 */
export function namesIfStill(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw thrown;
  }
}
