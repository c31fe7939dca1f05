/** What a path in the tree is: a symlink's target, or undefined for a name that is not there. */
export type LookUp = (
  path: string,
) => { type: "file" | "directory" | "symlink"; target: string | null } | undefined;

/** Linux follows at most 40 symlinks in one path (path_resolution(7)): a longer chain leads nowhere. */
const MAX_FOLLOWED = 40;

/**
 * Why a symlink may not be in a pack, or undefined where it may: wherever one goes from it, one stays inside. A target that
 * is missing is fine, but not one that goes on with ".." behind the missing name: what will be there is not known.
 *
 * @param path the symlink's own path, relative to the pack
 */
export function linkProblem(path: string, target: string, lookUp: LookUp): string | undefined {
  const place = path.split("/").slice(0, -1);
  const rest = target.split("/");
  let followed = 0;
  let isMissing = false;
  if (target.startsWith("/")) return "is an absolute symlink";
  while (rest.length > 0) {
    const name = rest.shift() as string;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (isMissing) return "is a symlink that goes back through a name that is no directory in the pack";
      if (place.length === 0) return "is a symlink that leads out of the pack";
      place.pop();
      continue;
    }
    place.push(name);
    if (isMissing) continue;
    const found = lookUp(place.join("/"));
    if (found?.type === "directory") continue;
    if (found?.type !== "symlink") {
      isMissing = true;
      continue;
    }
    if (++followed > MAX_FOLLOWED) return undefined;
    const next = found.target as string;
    if (next.startsWith("/")) return "is a symlink that leads out of the pack";
    place.pop();
    rest.unshift(...next.split("/"));
  }
  return undefined;
}
