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
