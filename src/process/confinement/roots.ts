import { lstatSync, realpathSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";

import { AuroraError } from "../../errors.ts";
import { findExecutable } from "../find-executable.ts";
import { type Access } from "./landlock-rules.ts";
import { isBelow, type Policy } from "./policy.ts";
import { resolveTrusted } from "./resolve-trusted.ts";
import { type SystemFiles } from "./system-files.ts";

/** A path that is granted, as it is opened. */
export type Root = {
  path: string;
  access: Access;
  isDirectory: boolean;
  /** Opened without following any symlink in it: the pack could have planted one. */
  isStrict: boolean;
  /**
   * "replaced": a directory for shared memory, in whose place a mount namespace has one of its own. "kept": a directory in one
   * of those, two levels below it, which is in the new one too.
   */
  sharedMemory?: "replaced" | "kept";
};

export type Roots = {
  list: Root[];
  /** What the policy names beyond the system and does not exist: it grants nothing. */
  absent: string[];
};

/**
 * Finds out what the paths of a policy are. The system's paths may lead through links; a path below the home is resolved as
 * far as the home, any other as far as its parent directory, and what follows may hold no link when it is opened.
 *
 * @param searchPath PATH, for the policy's programs
 */
export function findRoots(policy: Policy, searchPath: string | undefined): Roots {
  const absent: string[] = [];
  const { system } = policy;
  const home = reallyAt(policy.home);
  const own = (paths: readonly string[], access: Access): Root[] =>
    paths.flatMap((path) => {
      const resolved = resolveOwn(path, policy.home, home);
      const stat = resolved === undefined ? undefined : statOrNothing(resolved);
      if (resolved !== undefined && stat !== undefined)
        return [{ path: resolved, access, isDirectory: stat.isDirectory(), isStrict: true }];
      absent.push(path);
      return [];
    });
  const ownRoots = [
    ...own(policy.execute, "execute"),
    ...own(policy.read, "read"),
    ...own(policy.write, "write"),
  ];
  // A private one would hide what lies below it, and the machine's own must not be opened up with what others have there.
  const sharedMemory = system.sharedMemory.filter((directory) => {
    const real = reallyAt(directory);
    return ![home, ...ownRoots.map(({ path }) => path)].some((path) => isBelow(path, real));
  });
  const list = [
    ...systemRoots(system).list,
    ...trusted(sharedMemory, "write").map((root): Root => ({ ...root, sharedMemory: "replaced" })),
    ...ownRoots,
    ...own(policy.memory, "write").map((root): Root => ({ ...root, sharedMemory: "kept" })),
    ...trusted(findPrograms(policy.programs, searchPath, absent), "execute"),
  ];
  return { list, absent };
}

/** The part of the system that the home lies in, if any. */
export function systemRootAround({ system, home }: Policy): string | undefined {
  const real = reallyAt(home);
  return systemRoots(system).places.find((place) => isBelow(real, place.real))?.path;
}

type SystemRoots = {
  list: Root[];
  /** Where what may be executed or read really is. */
  places: { path: string; real: string }[];
  /** That of what may be executed alone. */
  executed: string[];
};

/** Where what may be executed of the system really is. */
export function executedPlaces(system: SystemFiles): readonly string[] {
  return systemRoots(system).executed;
}

/** The same for every pack, and a hundred of them may start at once: looked up once for each look at the system. */
const known = new WeakMap<SystemFiles, SystemRoots>();

function systemRoots(system: SystemFiles): SystemRoots {
  const kept = known.get(system);
  if (kept) return kept;
  const found: SystemRoots = {
    list: [
      ...trusted(system.execute, "execute"),
      ...trusted(system.read, "read"),
      ...trusted(system.list, "list"),
      ...trusted(system.devices, "device"),
    ],
    places: [...system.execute, ...system.read].map((path) => ({ path, real: reallyAt(path) })),
    executed: system.execute.map(reallyAt),
  };
  known.set(system, found);
  return found;
}

function trusted(paths: readonly string[], access: Access): Root[] {
  return paths.flatMap((path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? [] : [{ path, access, isDirectory: stat.isDirectory(), isStrict: false }];
  });
}

function resolveOwn(path: string, home: string, realHome: string): string | undefined {
  if (path === "/") return path;
  if (isBelow(path, home)) return `${realHome}${path.slice(home.length)}`;
  const parent = resolveTrusted(dirname(path));
  return parent === undefined ? undefined : `${parent === "/" ? "" : parent}/${basename(path)}`;
}

/** Where a program is a link, as with alternatives, what it leads to is what has to be executed. */
function findPrograms(names: readonly string[], path: string | undefined, absent: string[]): string[] {
  return names.flatMap((name) => {
    try {
      return realpathSync(findExecutable(name, path, "/"));
    } catch (thrown) {
      if (!(thrown instanceof AuroraError)) throw thrown;
      absent.push(name);
      return [];
    }
  });
}

function reallyAt(path: string): string {
  return realPath(path) ?? path;
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function statOrNothing(path: string) {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined; // A directory on the way may not be searched.
  }
}
