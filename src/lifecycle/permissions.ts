import { type Manifest } from "../manifest/schema.ts";

/** What a pack may do beyond the baseline: what its manifest asks for, in one flat form that can be compared. */
export type Permissions = {
  read: string[];
  write: string[];
  run: string[];
  connect: number[];
  listen: number[];
  udp: boolean;
  unix: boolean;
  env: string[];
  /** As root, without its capabilities, where Aurora is root's. */
  root: boolean;
};

export const noPermissions: Permissions = {
  read: [],
  write: [],
  run: [],
  connect: [],
  listen: [],
  udp: false,
  unix: false,
  env: [],
  root: false,
};

/** What a manifest asks for. A directory of the machine that is mounted into the VFS counts as one to read, or to write. */
export function permissionsOf({ pack }: Manifest): Permissions {
  const { permissions, mounts } = pack;
  const { read, write, run, net, unix, env, user } = permissions;
  const hosts = mounts.filter((mount) => mount.type === "host");
  return {
    read: [...read, ...hosts.filter(({ mode }) => mode === "ro").map(({ source }) => source)],
    write: [...write, ...hosts.filter(({ mode }) => mode === "rw").map(({ source }) => source)],
    run: [...run],
    connect: [...net.connect],
    listen: [...net.listen],
    udp: net.udp,
    unix,
    // What is required is passed through as well, where the operator has it in the environment.
    env: [...new Set([...env, ...pack.env.required])],
    root: user === "root",
  };
}

/**
 * What `asked` has and `granted` has not, in words; empty where nothing has to be approved anew. Pure.
 *
 * A path below one that was granted is no growth: it was reachable before.
 */
export function permissionGrowth(granted: Permissions, asked: Permissions): string[] {
  return [
    ...asked.read
      .filter((path) => !isCovered(path, [...granted.read, ...granted.write]))
      .map((path) => `read ${path}`),
    ...asked.write.filter((path) => !isCovered(path, granted.write)).map((path) => `write ${path}`),
    ...beyond(asked.run, granted.run).map((name) => `run ${name}`),
    ...beyond(asked.connect, granted.connect).map((port) => `connect to port ${port}`),
    ...beyond(asked.listen, granted.listen).map((port) => `listen on port ${port}`),
    ...(asked.udp && !granted.udp ? ["use UDP"] : []),
    ...(asked.unix && !granted.unix ? ["use Unix sockets"] : []),
    ...beyond(asked.env, granted.env).map((name) => `see ${name}`),
    ...(asked.root && !granted.root ? ["run as root"] : []),
  ];
}

type Limits = Manifest["pack"]["limits"];

/** Limits that were set and are higher now, or gone, in words. Pure. */
export function raisedLimits(before: Limits | undefined, after: Limits): string[] {
  return Object.entries(before ?? {}).flatMap(([name, limit]) => {
    const now = after[name as keyof Limits];
    if (limit === null || (now !== null && now <= limit)) return [];
    return [
      now === null ? `go without the limit ${name}` : `raise the limit ${name} from ${limit} to ${now}`,
    ];
  });
}

function isCovered(path: string, roots: readonly string[]): boolean {
  return roots.some((root) => path === root || path.startsWith(root.endsWith("/") ? root : `${root}/`));
}

function beyond<T>(list: readonly T[], known: readonly T[]): T[] {
  return list.filter((entry) => !known.includes(entry));
}

/** What `asked` and `granted` have in common: what may be opened up before the rest is approved. Pure. */
export function approvedPart(granted: Permissions, asked: Permissions): Permissions {
  const only = (part: Partial<Permissions>) =>
    permissionGrowth(granted, { ...noPermissions, ...part }).length === 0;
  return {
    read: asked.read.filter((path) => only({ read: [path] })),
    write: asked.write.filter((path) => only({ write: [path] })),
    run: asked.run.filter((name) => only({ run: [name] })),
    connect: asked.connect.filter((port) => only({ connect: [port] })),
    listen: asked.listen.filter((port) => only({ listen: [port] })),
    udp: asked.udp && granted.udp,
    unix: asked.unix && granted.unix,
    env: asked.env.filter((name) => only({ env: [name] })),
    root: asked.root && granted.root,
  };
}
