import { type HomePaths } from "../system/home.ts";

/** Where the daemon of a home listens. */
export function socketPath(paths: Pick<HomePaths, "run">): string {
  return `${paths.run}/aurora.sock`;
}
