import { coded } from "./disk-root.ts";
import { MAX_LINKS } from "./resolve.ts";

export type MemoryFile = {
  type: "file";
  bytes: Uint8Array;
  sizeBytes: number;
  mode: number;
  modifiedMs: number;
};
export type MemoryDirectory = {
  type: "directory";
  /** A Map, so that no name means anything to it. */
  children: Map<string, MemoryNode>;
  mode: number;
  modifiedMs: number;
};
type MemoryLink = { type: "symlink"; target: string; mode: number; modifiedMs: number };
export type MemoryNode = MemoryFile | MemoryDirectory | MemoryLink;

/** A name in a directory; `node` is what is there now, never followed. */
export type MemoryPlace = { directory: MemoryDirectory; name: string; node: MemoryNode | undefined };

/** What a path names, with the rules and the errno names of a disk. Links are followed, also the last where asked. */
export function findNode(
  root: MemoryDirectory,
  path: string,
  links: "follow" | "keep",
  isDirectory: boolean,
): MemoryNode {
  const plain = isDirectory ? undefined : findPlainly(root, path);
  if (plain) return plain;
  const place = findMemoryPlace(root, path, links === "follow" || isDirectory ? "follow" : "keep", true);
  if (!place.node) throw coded("ENOENT");
  if ((isDirectory || place.isDirectory) && place.node.type !== "directory") throw coded("ENOTDIR");
  return place.node;
}

/** Most paths lead down through directories to what is there; undefined for all others. */
function findPlainly(root: MemoryDirectory, path: string): MemoryNode | undefined {
  let node: MemoryNode | undefined = root;
  for (let start = 0; start <= path.length;) {
    if (node?.type !== "directory") return undefined;
    const slash = path.indexOf("/", start);
    const end = slash === -1 ? path.length : slash;
    node = node.children.get(path.slice(start, end));
    start = end + 1;
  }
  return node?.type === "symlink" ? undefined : node;
}

/**
 * The directory of a path and its last name in it.
 *
 * @param isRootFine whether the path may name the root itself or end in ".." by way of a link
 * @throws an error with the errno name that a disk would give
 */
export function findMemoryPlace(
  root: MemoryDirectory,
  path: string,
  links: "follow" | "keep",
  isRootFine = false,
): MemoryPlace & { isDirectory: boolean } {
  const waiting = namesOf(path);
  const above: MemoryDirectory[] = [];
  let directory = root;
  let followed = 0;
  let isDirectory = false;
  for (;;) {
    const name = waiting.shift();
    if (name === undefined) {
      if (!isRootFine) throw coded("EISDIR");
      return { directory, name: "", node: directory, isDirectory };
    }
    if (name === "..") {
      const up = above.pop();
      if (!up) throw coded("EXDEV");
      directory = up;
      continue;
    }
    const node = directory.children.get(name);
    const isLast = waiting.length === 0;
    if (node?.type === "symlink" && (!isLast || links === "follow")) {
      if (++followed > MAX_LINKS) throw coded("ELOOP");
      if (node.target.startsWith("/")) throw coded("EXDEV");
      if (isLast && /(^|\/)\.{0,2}$/.test(node.target)) isDirectory = true;
      waiting.unshift(...namesOf(node.target));
      continue;
    }
    if (isLast) {
      if (isDirectory && !isRootFine)
        throw coded(node === undefined ? "ENOENT" : node.type === "directory" ? "EISDIR" : "ENOTDIR");
      return { directory, name, node, isDirectory };
    }
    if (!node) throw coded("ENOENT");
    if (node.type !== "directory") throw coded("ENOTDIR");
    above.push(directory);
    directory = node;
  }
}

/** Everything below a directory. Not by recursion: renames can make a tree deeper than any path is long. */
export function* nodesBelow(directory: MemoryDirectory): Generator<MemoryNode> {
  const waiting = [directory.children.values()];
  for (;;) {
    const top = waiting.at(-1);
    if (!top) return;
    const { done, value } = top.next();
    if (done) waiting.pop();
    else {
      yield value;
      if (value.type === "directory") waiting.push(value.children.values());
    }
  }
}

/** What rename(2) lets take the place of what. */
export function requireReplaceable(node: MemoryNode, old: MemoryNode | undefined): void {
  if (!old) return;
  if (node.type === "directory" && old.type !== "directory") throw coded("ENOTDIR");
  if (node.type !== "directory" && old.type === "directory") throw coded("EISDIR");
  if (old.type === "directory" && old.children.size > 0) throw coded("ENOTEMPTY");
}

export function isWithin(directory: MemoryDirectory, other: MemoryDirectory): boolean {
  if (directory === other) return true;
  for (const node of nodesBelow(directory)) if (node === other) return true;
  return false;
}

/**
 * The bytes with more behind them. Where there is no room, it gets twice as much as before, so that many small records cost
 * no more than one large, but never more than the mount may hold. Whoever reads the old bytes keeps them: only what is behind
 * their end changes.
 */
export function grown(
  bytes: Uint8Array,
  sizeBytes: number,
  added: Uint8Array,
  mostBytes: number,
): Uint8Array {
  const needed = sizeBytes + added.length;
  if (needed <= bytes.length) {
    bytes.set(added, sizeBytes);
    return bytes;
  }
  const wanted = sizeBytes === 0 ? needed : Math.min(bytes.length * 2, mostBytes);
  const next = new Uint8Array(Math.max(needed, wanted));
  next.set(bytes.subarray(0, sizeBytes));
  next.set(added, sizeBytes);
  return next;
}

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}
