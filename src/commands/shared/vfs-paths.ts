import { type Entry } from "../../vfs/mount.ts";
import { printableName, rawNameHex } from "../../vfs/raw-name.ts";
import { parseVfsPath, splitPath } from "../../vfs/vfs-path.ts";
import { type Vfs } from "../../vfs/vfs.ts";

/** Where `cp` and `mv` put something: into a directory that is there, under its old name, as the shell's commands do. */
export function targetPath(vfs: Vfs, from: string, to: string): string {
  if (vfs.sync.statIfThere(to)?.type !== "directory") return to;
  const { shown } = parseVfsPath(to);
  return `${shown === "/" ? "" : shown}/${splitPath(parseVfsPath(from).relative).name}`;
}

export type EntryDocument = {
  name: string;
  type: Entry["type"];
  size_bytes: number;
  modified: string;
  /** The name's bytes, where they are no UTF-8 and `name` shows some of them as `\xNN`. */
  name_hex?: string;
};

/** An entry as `--json` prints it. Names that are UTF-8 are as they are, whatever they hold. */
export function entryDocument({ name, type, sizeBytes, modifiedMs }: Entry): EntryDocument {
  const hex = rawNameHex(name);
  return {
    name: hex === undefined ? name : printableName(name),
    type,
    size_bytes: sizeBytes,
    modified: new Date(modifiedMs).toISOString(),
    ...(hex === undefined ? {} : { name_hex: hex }),
  };
}

/** The name in a text for people. */
export function shownName({ name, name_hex }: { name: string; name_hex?: string }): string {
  return name_hex === undefined ? printableName(name) : name;
}
