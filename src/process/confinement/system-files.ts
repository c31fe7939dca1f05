import { accessSync, constants, type Dirent, lstatSync, readdirSync } from "node:fs";

/** The part of the machine that every pack sees. Absent paths mean nothing. */
export type SystemFiles = {
  /** Read and execute. */
  execute: string[];
  /** Read, with everything below. */
  read: string[];
  /** List directories, here and below, but read no file. */
  list: string[];
  /** Devices to read and write. */
  devices: string[];
  /** Directories for shared memory: a private one where there is a mount namespace. */
  sharedMemory: string[];
};

/** Programs and libraries, also where NixOS and Guix have them. Not /opt: applications keep their secrets there as well. */
const EXECUTE = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"];
/**
 * Facts about the machine and the process. What /proc tells of processes outside is what it tells everybody: environment,
 * memory and open files are refused by the kernel's check for tracers, which Landlock is part of.
 */
const READ = [
  "/proc",
  "/sys/block",
  "/sys/bus",
  "/sys/class",
  "/sys/dev",
  "/sys/devices",
  "/sys/fs/cgroup",
  "/sys/kernel/mm/hugepages",
  "/sys/kernel/mm/transparent_hugepage",
  // Where /etc/resolv.conf is a link to, by systemd-resolved, resolvconf, NetworkManager and connman.
  "/run/systemd/resolve",
  "/run/resolvconf",
  "/run/NetworkManager/resolv.conf",
  "/run/connman/resolv.conf",
  "/var/cache/fontconfig",
  "/var/lib/ca-certificates",
];
const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"].map((name) => `/dev/${name}`);
const ETC = "/etc";
/** A walk of /etc costs milliseconds; what a service sees of it does not change after its start anyway. */
const ETC_AGE_MS = 10_000;
/** In /etc, what everybody may read is no secret by its permissions; these are, whatever those say. */
const SECRET =
  /^(g?shadow|sudoers|opasswd|sgshadow|ssh_host_.*key|.*\.(key|pem\.key|p12|pfx|keytab)|krb5\.keytab|private)-?$/;

let known: { atMs: number; isRoot: boolean; files: SystemFiles } | undefined;

/**
 * What every pack sees of this machine now. Of /etc, only what every user of the machine may read: Landlock can only add,
 * so the secrets are left out by naming everything else. For that /etc is walked, at most once in 10 s; for an ordinary user
 * only at its top, because below it the permissions keep that user out of root's secrets anyway.
 *
 * What was found is the same object until it is looked for anew, so that what else is found out about it can be kept with it.
 *
 * @param nowMs a clock that never goes back, in milliseconds
 * @param isRoot whether what will see them runs as root: not where root runs a pack as a user of its own, which is also faster
 */
export function readSystemFiles(nowMs: number, isRoot: boolean): SystemFiles {
  if (known === undefined || known.isRoot !== isRoot || nowMs - known.atMs > ETC_AGE_MS) {
    const isOther = !isRoot && process.geteuid?.() === 0;
    const readable = readableBelow(ETC, isRoot ? Infinity : 1, isOther ? () => false : isReadable);
    const files: SystemFiles = {
      execute: EXECUTE,
      read: [...READ, ...readable],
      list: [ETC],
      devices: DEVICES,
      sharedMemory: ["/dev/shm"],
    };
    known = { atMs: nowMs, isRoot, files };
  }
  return known.files;
}

/**
 * `directory`, or the files and directories below it, that hold nothing but what everybody may read, each as high up as possible.
 * Where there is a secret in a directory, its other entries are named one by one.
 *
 * @param depth how many levels to look into; what lies deeper is taken to hold no secret
 * @param canRead whether whoever will see it may read what is not for everybody
 */
export function readableBelow(
  directory: string,
  depth = Infinity,
  canRead: (path: string) => boolean = isReadable,
): string[] {
  const { isOpen, readable } = walk(directory, depth, canRead);
  return isOpen ? [directory] : readable;
}

function walk(
  directory: string,
  depth: number,
  canRead: (path: string) => boolean,
): { isOpen: boolean; readable: string[] } {
  let entries: Dirent[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return { isOpen: !canRead(directory), readable: [] };
  }
  let isOpen = true;
  const readable: string[] = [];
  for (const entry of entries) {
    const path = `${directory}/${entry.name}`;
    // A link is read through what it leads to, and grants nothing by itself.
    if (entry.isSymbolicLink()) continue;
    const isOpenToAll = isForEveryone(path, entry.isDirectory());
    if (SECRET.test(entry.name) || !isOpenToAll) {
      // What its permissions keep from this user anyway need not be left out.
      if (isOpenToAll || canRead(path)) isOpen = false;
      continue;
    }
    if (!entry.isDirectory()) {
      readable.push(path);
      continue;
    }
    const below = depth > 1 ? walk(path, depth - 1, canRead) : { isOpen: true, readable: [] };
    if (below.isOpen) readable.push(path);
    else {
      readable.push(...below.readable);
      isOpen = false;
    }
  }
  return { isOpen, readable };
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Regular files that others may read, directories that others may read and enter. Sockets and devices are nobody's facts. */
function isForEveryone(path: string, isDirectory: boolean): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  return isDirectory ? (stat.mode & 0o5) === 0o5 : stat.isFile() && (stat.mode & 0o4) !== 0;
}
