import { lstatSync, readlinkSync } from "node:fs";

import { AuroraError } from "../../errors.ts";

/** As many as the kernel follows (path_resolution(7)). */
const MAX_LINKS = 40;

/**
 * Where a path leads, in one walk that looks at each name once. There may be links on it, as /var/run is one, but only root's
 * and the caller's own: in a directory that others may write to, somebody else's could lead anywhere.
 *
 * @param path absolute
 * @returns the path without links; undefined where there is nothing, it may not be looked at, or links lead in a circle
 * @throws {AuroraError} `denied` for a link of another user's
 */
export function resolveTrusted(path: string): string | undefined {
  const waiting = namesOf(path);
  const resolved: string[] = [];
  for (let links = 0; ;) {
    const name = waiting.shift();
    if (name === undefined) return `/${resolved.join("/")}`;
    if (name === "..") {
      resolved.pop();
      continue;
    }
    const place = `/${[...resolved, name].join("/")}`;
    const stat = statOrNothing(place);
    if (stat === undefined) return undefined;
    if (!stat.isSymbolicLink()) {
      resolved.push(name);
      continue;
    }
    if (stat.uid !== 0 && stat.uid !== process.geteuid?.())
      throw new AuroraError("denied", `cannot grant "${path}": "${place}" is a link of another user's`);
    if (++links > MAX_LINKS) return undefined;
    const target = readlinkSync(place);
    if (target.startsWith("/")) resolved.length = 0;
    waiting.unshift(...namesOf(target));
  }
}

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function statOrNothing(path: string) {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined; // A directory on the way may not be searched, or is none.
  }
}
