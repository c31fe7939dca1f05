import { closeSync, fsyncSync, openSync, statSync, writeSync } from "node:fs";

import { sharesCopies } from "../../system/clone-tree.ts";
import { replaceLink, syncDirectory, syncFileSystem } from "../../system/durable.ts";
import { exchange } from "../../system/exchange.ts";
import { type Mount } from "../../system/mount.ts";
import { bad, type Check, good } from "../examine-home.ts";

const ROUNDS = 20;
/** No disk that keeps anything over a power cut answers this fast, in milliseconds. */
const TOO_FAST_MS = 0.008;
/** In memory, or somebody else's: what they promise is not a disk's. */
const IN_MEMORY = new Set(["tmpfs", "ramfs"]);
const REMOTE = new Set(["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "virtiofs"]);
/** Options under which a flush may come back before the disk has the bytes. */
const CARELESS = ["nobarrier", "barrier=0", "volatile"];

/** What a file system is, and whether flushes mean anything on it. */
export function mountCheck(mount: Omit<Mount, "place"> | undefined): Check {
  if (!mount) return good("file system", "its kind cannot be told on this machine");
  const { type, source, options } = mount;
  const careless = options.filter((option) => CARELESS.includes(option));
  if (IN_MEMORY.has(type))
    return bad(
      "file system",
      `${type}: it is kept in memory, and a power cut takes all of it`,
      "put the home on a disk",
    );
  if (careless.length > 0)
    return bad(
      "file system",
      `${type} on ${source}, mounted with ${careless.join(", ")}: flushes need not reach the disk`,
      `mount it without ${careless.join(" and ")}`,
    );
  if (REMOTE.has(type))
    return bad(
      "file system",
      `${type} on ${source}: what a flush means is up to the other side`,
      "put the home on a local disk",
    );
  return good("file system", `${type} on ${source}`);
}

/** How long a flush takes: of a file, a directory, and the whole file system. */
export function flushCheck(directory: string): Check {
  const path = `${directory}/flushed`;
  const descriptor = openSync(path, "w", 0o600);
  try {
    const file = median(() => {
      writeSync(descriptor, "x");
      fsyncSync(descriptor);
    });
    syncDirectory(directory);
    const all = median(() => {
      writeSync(descriptor, "x");
      syncFileSystem(directory);
    });
    const detail = `one of a file takes ${file.toFixed(2)} ms, one of the whole file system ${all.toFixed(2)} ms`;
    return file < TOO_FAST_MS
      ? bad(
          "flush",
          `${detail}: no disk is that fast`,
          "look for libeatmydata, a volatile overlay, or a disk in memory",
        )
      : good("flush", detail);
  } finally {
    closeSync(descriptor);
  }
}

/** What the store and the links build on: names that are replaced at once, modes that stay, times that are exact. */
export function namesCheck(directory: string): Check {
  const problems: string[] = [];
  const link = `${directory}/link`;
  replaceLink(link, "one");
  replaceLink(link, "two");
  const file = (name: string) => {
    const path = `${directory}/${name}`;
    closeSync(openSync(path, "wx", 0o444));
    return path;
  };
  const [a, b] = [file("names-a"), file("names-b")];
  const before = statSync(a).ino;
  exchange(a, b);
  if (statSync(b).ino !== before) problems.push("two names cannot be exchanged");
  if ((statSync(a).mode & 0o777 & ~0o444) !== 0) problems.push("modes do not stay");
  try {
    file("Names-A");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw thrown;
    problems.push("upper and lower case are the same");
  }
  const copies = sharesCopies(directory) ? "copies share their content" : "copies take their full space";
  return problems.length === 0
    ? good("names", `links, exchanges and modes are kept; ${copies}`)
    : bad("names", problems.join("; "), "put the home on a file system of Linux");
}

function median(work: () => void): number {
  const times = Array.from({ length: ROUNDS }, () => {
    const began = performance.now();
    work();
    return performance.now() - began;
  });
  return times.toSorted((x, y) => x - y)[ROUNDS / 2] ?? 0;
}
