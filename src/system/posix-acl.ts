import { statSync } from "node:fs";

import { errno, errnoError, openLibc } from "./libc.ts";

/** What one more user may do, as the bits of a mode: 4 read, 2 write, 1 search or execute. */
type Permissions = number;
type Entry = { tag: number; permissions: Permissions; id: number };

/** `acl(5)` as an extended attribute: a version, and entries of a tag, permissions and an id, in the order of tags and ids. */
const names = { access: "system.posix_acl_access", default: "system.posix_acl_default" } as const;
const VERSION = 2;
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const MAX_BYTES = 65_536;
const NO_ID = 0xffff_ffff;
const tags = { owner: 0x01, user: 0x02, group: 0x04, namedGroup: 0x08, mask: 0x10, other: 0x20 } as const;
const ENODATA = 61;

let libc: ReturnType<typeof bind> | undefined;

function bind() {
  return openLibc({
    getxattr: { args: ["ptr", "ptr", "ptr", "u64"], returns: "i64" },
    setxattr: { args: ["ptr", "ptr", "ptr", "u64", "i32"], returns: "i32" },
  });
}

/**
 * What a user may do by an ACL, beside the owner and the group; undefined where it does not say.
 *
 * @param path followed where it is a link: name what may be one by its descriptor, /proc/self/fd/N
 * @throws what node:fs throws: EOPNOTSUPP where the file system has no ACLs
 */
export function userAccess(path: string, kind: keyof typeof names, uid: number): Permissions | undefined {
  return readEntries(path, kind)?.find(({ tag, id }) => tag === tags.user && id === uid)?.permissions;
}

/**
 * Lets a user do something with a file or directory, or with what will be made in a directory ("default"), or no more.
 *
 * @param permissions undefined: nothing of its own
 * @throws as `userAccess`
 */
export function setUserAccess(
  path: string,
  kind: keyof typeof names,
  uid: number,
  permissions: Permissions | undefined,
): void {
  const entries = readEntries(path, kind) ?? entriesOfMode(path);
  const others = entries.filter(({ tag, id }) => tag !== tags.mask && !(tag === tags.user && id === uid));
  if (permissions !== undefined) others.push({ tag: tags.user, permissions, id: uid });
  const named = others.filter(({ tag }) => tag === tags.user || tag === tags.namedGroup);
  const group = others.find(({ tag }) => tag === tags.group)?.permissions ?? 0;
  if (named.length > 0)
    others.push({
      tag: tags.mask,
      permissions: named.reduce((all, entry) => all | entry.permissions, group),
      id: NO_ID,
    });
  writeEntries(
    path,
    kind,
    others.toSorted((a, b) => a.tag - b.tag || a.id - b.id),
  );
}

function entriesOfMode(path: string): Entry[] {
  const { mode } = statSync(path);
  return [
    { tag: tags.owner, permissions: (mode >> 6) & 7, id: NO_ID },
    { tag: tags.group, permissions: (mode >> 3) & 7, id: NO_ID },
    { tag: tags.other, permissions: mode & 7, id: NO_ID },
  ];
}

function readEntries(path: string, kind: keyof typeof names): Entry[] | undefined {
  libc ??= bind();
  const buffer = Buffer.alloc(MAX_BYTES);
  const length = Number(libc.getxattr(terminated(path), terminated(names[kind]), buffer, buffer.length));
  if (length < 0) {
    const number = errno();
    if (number === ENODATA) return undefined;
    throw errnoError(number, "getxattr", path);
  }
  const entries: Entry[] = [];
  for (let at = HEADER_BYTES; at + ENTRY_BYTES <= length; at += ENTRY_BYTES)
    entries.push({
      tag: buffer.readUInt16LE(at),
      permissions: buffer.readUInt16LE(at + 2),
      id: buffer.readUInt32LE(at + 4),
    });
  return entries.length === 0 ? undefined : entries;
}

function writeEntries(path: string, kind: keyof typeof names, entries: readonly Entry[]): void {
  libc ??= bind();
  const buffer = Buffer.alloc(HEADER_BYTES + entries.length * ENTRY_BYTES);
  buffer.writeUInt32LE(VERSION);
  for (const [index, { tag, permissions, id }] of entries.entries()) {
    const at = HEADER_BYTES + index * ENTRY_BYTES;
    buffer.writeUInt16LE(tag, at);
    buffer.writeUInt16LE(permissions, at + 2);
    buffer.writeUInt32LE(id, at + 4);
  }
  if (libc.setxattr(terminated(path), terminated(names[kind]), buffer, buffer.length, 0) !== 0)
    throw errnoError(errno(), "setxattr", path);
}

function terminated(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}
