import { type SystemFiles } from "./system-files.ts";

/**
 * What a command may do: explicit and complete. What is not in here is refused. Paths are absolute; each stands for the
 * file, or for the directory and everything below it.
 */
export type Policy = {
  /** The operator has allowed everything (`--allow-all`): only the limits hold. */
  unconfined: boolean;
  /** The part of the machine that every pack sees. Symlinks in these paths are followed; what is absent is skipped. */
  system: SystemFiles;
  /** May be read, beyond the system. */
  read: string[];
  /** May be read, written, created in, renamed and deleted below. */
  write: string[];
  /**
   * Directories in a system directory for shared memory, two levels below it, that may be written as well. They are there
   * also where the command has shared memory of its own.
   */
  memory: string[];
  /** May be read and executed, beyond the system. */
  execute: string[];
  /** Names of programs, to be looked up in PATH; what they turn out to be may be executed. */
  programs: string[];
  /** Where Aurora's state is: paths below it may hold no symlink, though the way to it may. */
  home: string;
  /** TCP ports, and whether datagrams may be sent. Port numbers of UDP cannot be told apart by this kernel interface. */
  net: { connect: number[]; listen: number[]; udp: boolean };
  /** Any Unix socket, by path too: that reaches D-Bus, Docker and the like. */
  unix: boolean;
  /**
   * Whom signals may reach: "inside" is the command itself and what it starts; "user" is every process of the same user,
   * another start of the same pack too.
   */
  signals: "inside" | "user";
  /** Unix datagram sockets, so that READY=1 can be sent to `$NOTIFY_SOCKET`. */
  notify: boolean;
  limits: Limits;
  /** Run as this user and group instead of the caller; only root can. */
  uid?: number;
  gid?: number;
  /** With `uid`: the other groups it is in; none by default. */
  groups?: number[];
  /** Use namespaces where the kernel lets us: a mount namespace alone stops chmod and the like outside. */
  namespaces: boolean;
  /**
   * Whether the command and all it starts are alone in a pid namespace, where there can be one. Then
   * - everything that is left in it dies with the command: it must be false for a start that leaves processes running on
   *   purpose (a oneshot pack's), and for a command that is to see or signal processes of another start;
   * - the process that is spawned is a relay outside the namespace: it has the command's exit code, is the one to send signals
   *   to, and takes the whole tree with it when it is killed. `$$` inside is another number.
   *
   * By default it is so where signals stay "inside", and not where they may reach the "user"'s other processes.
   */
  processNamespace?: boolean;
};

/** Null is no limit of ours. They hold for each process, but `processes` for all of a user's. */
export type Limits = {
  memory_bytes: number | null;
  processes: number | null;
  open_files: number | null;
  file_size_bytes: number | null;
  cpu_seconds: number | null;
};

/** `permissions` as the manifest has it; other keys are ignored. */
type Permissions = {
  read: readonly string[];
  write: readonly string[];
  run: readonly string[];
  net: { connect: readonly number[]; listen: readonly number[]; udp: boolean };
  unix: boolean;
};

type PackPolicyInput = {
  /** What every pack sees: `readSystemFiles()`. */
  system: SystemFiles;
  /** The pack's tree: the store's, or a dry run's copy. */
  tree: string;
  dataDir: string;
  logDir: string;
  scratchDir: string;
  /** See `Policy`. */
  memory?: readonly string[];
  home: string;
  permissions: Permissions;
  limits: Limits;
  /** Programs the pack needs that are Aurora's own: the runtime for its TypeScript, `$AURORA_BIN`. */
  runtime: readonly string[];
  allowAll: boolean;
  /**
   * Each start is an inside of its own: a stop or health script that sends a signal, even `kill -0`, to what the start script
   * has left running needs "user".
   */
  signals: "inside" | "user";
  /** A service of type `notify`. */
  notify?: boolean;
  /** See `Policy`. */
  processNamespace?: boolean;
  /** For root: whom to run as. `packUser` says which user is a pack's own. */
  user?: { uid: number; gid: number };
  uid?: number;
  gid?: number;
  groups?: readonly number[];
};

/**
 * The policy of a pack's processes: read and execute the system and its own tree, write its data,
 * logs and scratch, and beyond that what its permissions say. Pure.
 *
 * Its data is not executable unless `permissions.run` names it. A path below another that is writable is dropped from
 * `read` and `write`: the pack could have made it a link to anywhere, and the wider grant covers it anyway.
 */
export function packPolicy(input: PackPolicyInput): Policy {
  const { permissions, allowAll, home, processNamespace, user } = input;
  const { uid = input.uid, gid = input.gid } = user ?? {};
  const write = outermost([input.dataDir, input.logDir, input.scratchDir, ...permissions.write]);
  const isCovered = (path: string) => write.some((root) => isBelow(path, root));
  return {
    unconfined: allowAll,
    system: input.system,
    read: outermost(permissions.read).filter((path) => !isCovered(path)),
    write,
    memory: [...(input.memory ?? [])],
    execute: outermost([
      input.tree,
      ...input.runtime,
      ...permissions.run.filter((name) => name.includes("/")),
    ]),
    programs: permissions.run.filter((name) => !name.includes("/")),
    home: clean(home),
    net: {
      connect: ports(permissions.net.connect),
      listen: ports(permissions.net.listen),
      udp: permissions.net.udp,
    },
    unix: permissions.unix,
    signals: input.signals,
    notify: input.notify ?? false,
    limits: { ...input.limits },
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(input.groups === undefined ? {} : { groups: [...input.groups] }),
    namespaces: true,
    ...(processNamespace === undefined ? {} : { processNamespace }),
  };
}

/** Whether `path` is `root` or lies below it, by their names alone. */
export function isBelow(path: string, root: string): boolean {
  return path === root || root === "/" || path.startsWith(`${root}/`);
}

/** Without those that lie below another, in the order given. */
function outermost(paths: readonly string[]): string[] {
  const cleaned = [...new Set(paths.map(clean))];
  return cleaned.filter((path) => !cleaned.some((other) => other !== path && isBelow(path, other)));
}

function clean(path: string): string {
  return path.replace(/\/{2,}/g, "/").replace(/(?<=.)\/$/, "");
}

function ports(numbers: readonly number[]): number[] {
  return [...new Set(numbers)].sort((a, b) => a - b);
}
