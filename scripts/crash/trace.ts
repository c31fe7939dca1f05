import { constants, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, dirname } from "node:path";

/** A file, directory or symlink as it was before the trace, or as it was created in it. */
export type Node = {
  id: number;
  type: "file" | "directory" | "symlink";
  mode: number;
  data: Buffer;
  target: string;
  entries: Map<string, number>;
};

/** One change of the file system, or a flush. `label` names the call for people. */
export type Change = { label: string; at: number } & (
  | { kind: "write"; node: number; offset: number; data: Buffer }
  | { kind: "truncate"; node: number; size: number }
  | { kind: "mode"; node: number; mode: number }
  | { kind: "name"; directory: number; name: string; node: number | null; isNew: boolean }
  | {
      kind: "rename";
      directory: number;
      name: string;
      toDirectory: number;
      toName: string;
      node: number;
      other: number | null;
    }
  | { kind: "sync"; node: number }
  | { kind: "sync-all" }
);

export type Trace = { nodes: Node[]; root: number; changes: Change[] };

const RENAME_EXCHANGE = 2;
/** What the calls of the injector's record are named, and the argument that holds the mode. */
const MODE_ARGUMENT: Record<string, number> = {
  openat: 3,
  open: 2,
  creat: 1,
  mkdir: 1,
  mkdirat: 2,
  chmod: 1,
  fchmod: 1,
  fchmodat: 2,
  fchmodat2: 2,
};

/** Reads a directory tree as it is now: the state that a trace begins with. */
export function readNodes(directory: string): Pick<Trace, "nodes" | "root"> {
  const nodes: Node[] = [];
  const read = (path: string): number => {
    const stat = lstatSync(path);
    const type = stat.isDirectory() ? "directory" : stat.isSymbolicLink() ? "symlink" : "file";
    const node = addNode(nodes, type, stat.mode & 0o7777);
    if (type === "symlink") node.target = readlinkSync(path);
    if (type === "file") node.data = readFileSync(path);
    if (type === "directory")
      for (const name of readdirSync(path)) {
        // A socket or a pipe has nothing that a power cut could take.
        const kind = lstatSync(`${path}/${name}`);
        if (kind.isFile() || kind.isDirectory() || kind.isSymbolicLink())
          node.entries.set(name, read(`${path}/${name}`));
      }
    return node.id;
  };
  const root = read(directory);
  return { nodes, root };
}

function addNode(nodes: Node[], type: Node["type"], mode: number): Node {
  const node: Node = { id: nodes.length, type, mode, data: Buffer.alloc(0), target: "", entries: new Map() };
  nodes.push(node);
  return node;
}

/**
 * Turns the injector's record into changes of inodes and names.
 *
 * @param before what `readNodes` found before the command ran; new nodes are added to it
 */
export function readTrace(record: string, home: string, before: Pick<Trace, "nodes" | "root">): Trace {
  const { nodes, root } = before;
  const names = new Map(
    nodes.filter(({ type }) => type === "directory").map(({ id, entries }) => [id, new Map(entries)]),
  );
  const changes: Change[] = [];

  const lookUp = (path: string, depth = 0): number | undefined => {
    let place: number | undefined = root;
    let here = home;
    for (const part of path.slice(home.length).split("/").filter(Boolean)) {
      if (place === undefined || depth > 40) return undefined;
      const node = nodes[place] as Node;
      // Only directories are followed: the last name is the thing itself.
      if (node.type === "symlink") place = lookUp(resolve(dirname(here), node.target), depth + 1);
      place = place === undefined ? undefined : names.get(place)?.get(part);
      here = `${here}/${part}`;
    }
    return place;
  };
  const directoryOf = (path: string): number | undefined => {
    const place = lookUp(dirname(path));
    const node = place === undefined ? undefined : nodes[place];
    return node?.type === "symlink" ? lookUp(resolve(dirname(dirname(path)), node.target)) : place;
  };

  for (const line of record.trimEnd().split("\n")) {
    const [index = "", call = "", path = "", path2 = "", result = "", ...rest] = line.split("\t");
    const argument = rest.slice(0, 6).map(Number);
    const offset = Number(rest[6] ?? 0);
    const data = Buffer.from(rest[7] ?? "", "hex");
    const label = `${call} ${path.slice(home.length + 1)}${path2 && ` -> ${path2.slice(home.length + 1)}`}`;
    const about = { label, at: Number(index) };
    const mode = argument[MODE_ARGUMENT[call] ?? -1] ?? 0;
    const setName = (place: string, node: number | null, isNew: boolean) => {
      const directory = directoryOf(place);
      if (directory === undefined) return;
      if (node === null) names.get(directory)?.delete(basename(place));
      else names.get(directory)?.set(basename(place), node);
      changes.push({ ...about, kind: "name", directory, name: basename(place), node, isNew });
    };
    const create = (place: string, type: Node["type"], withMode: number): Node => {
      const node = addNode(nodes, type, withMode & 0o7777 & ~0o022);
      if (type === "directory") names.set(node.id, new Map());
      setName(place, node.id, true);
      return node;
    };
    const node = lookUp(path);

    if (call.startsWith("open") || call === "creat") {
      if (node === undefined && (argument[5] ?? 0) & constants.O_CREAT) create(path, "file", mode);
      else if (node !== undefined && (argument[5] ?? 0) & constants.O_TRUNC)
        changes.push({ ...about, kind: "truncate", node, size: 0 });
    } else if (call.startsWith("mkdir")) create(path, "directory", mode);
    else if (call.startsWith("symlink")) create(path, "symlink", 0o777).target = data.toString();
    else if (call.startsWith("unlink") || call === "rmdir") setName(path, null, false);
    else if (call.startsWith("rename")) {
      const directory = directoryOf(path);
      const toDirectory = directoryOf(path2);
      if (node === undefined || directory === undefined || toDirectory === undefined) continue;
      const other = call === "renameat2" && argument[4] === RENAME_EXCHANGE ? (lookUp(path2) ?? null) : null;
      const change = { directory, name: basename(path), toDirectory, toName: basename(path2), node, other };
      applyRename(names, change);
      changes.push({ ...about, kind: "rename", ...change });
    } else if (call === "syncfs" || call === "sync") changes.push({ ...about, kind: "sync-all" });
    else if (node === undefined) continue;
    else if (call === "fsync" || call === "fdatasync") changes.push({ ...about, kind: "sync", node });
    else if (call.includes("chmod")) changes.push({ ...about, kind: "mode", node, mode: mode & 0o7777 });
    else if (call.endsWith("truncate"))
      changes.push({ ...about, kind: "truncate", node, size: argument[1] ?? 0 });
    else if (data.length > 0 && Number(result) >= 0)
      changes.push({ ...about, kind: "write", node, offset, data });
  }
  return { nodes, root, changes };
}

/** A rename is one change: it is there, or it is not. */
export function applyRename(
  names: Map<number, Map<string, number>>,
  change: {
    directory: number;
    name: string;
    toDirectory: number;
    toName: string;
    node: number;
    other: number | null;
  },
): void {
  const from = names.get(change.directory);
  if (change.other !== null) from?.set(change.name, change.other);
  else if (from?.get(change.name) === change.node) from.delete(change.name);
  names.get(change.toDirectory)?.set(change.toName, change.node);
}

function resolve(directory: string, target: string): string {
  if (target.startsWith("/")) return target;
  const parts = directory.split("/");
  for (const part of target.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}
