import { closeSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from "node:fs";

import { sharesCopies } from "../../system/clone-tree.ts";
import { replaceLink, syncDirectory, syncFileSystem } from "../../system/durable.ts";
import { exchange } from "../../system/exchange.ts";
import { bad, type Check, good } from "../examine-home.ts";

/** What is mounted where the home is. */
export type Mount = { type: string; source: string; options: string[] };

const ROUNDS = 20;
/** No disk that keeps anything over a power cut answers this fast, in milliseconds. */
const TOO_FAST_MS = 0.008;
/** In memory, or somebody else's: what they promise is not a disk's. */
const IN_MEMORY = new Set(["tmpfs", "ramfs"]);
const REMOTE = new Set(["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "virtiofs"]);
/** Options under which a flush may come back before the disk has the bytes. */
const CARELESS = ["nobarrier", "barrier=0", "volatile"];

/** The mount that a directory is on, by /proc; undefined where there is none. */
export function mountOf(directory: string): Mount | undefined {
  let text: string;
  try {
    text = readFileSync("/proc/self/mountinfo", "utf8");
  } catch {
    return undefined;
  }
  const found = text
    .split("\n")
    .flatMap((line) => {
      const [head = "", tail = ""] = line.split(" - ");
      const [, , , , place = "", options = ""] = head.split(" ");
      const [type = "", source = "", superOptions = ""] = tail.split(" ");
      const at = place.replaceAll(/\\(\d{3})/g, (_, digits: string) =>
        String.fromCodePoint(Number.parseInt(digits, 8)),
      );
      const isAbove = at === "/" || directory === at || directory.startsWith(`${at}/`);
      return isAbove && type !== ""
        ? [{ at, type, source, options: [...options.split(","), ...superOptions.split(",")] }]
        : [];
    })
    // The last of those with the longest place is the one on top.
    .reduce<(Mount & { at: string }) | undefined>(
      (best, mount) => (best === undefined || mount.at.length >= best.at.length ? mount : best),
      undefined,
    );
  return found && { type: found.type, source: found.source, options: found.options };
}

/** What a file system is, and whether flushes mean anything on it. */
export function mountCheck(mount: Mount | undefined): Check {
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
