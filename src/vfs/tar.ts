import { CHUNK_BYTES } from "./copy.ts";
import { type Entry, type OpenFile } from "./mount.ts";
import { encodeName, printableName } from "./raw-name.ts";
import { type VfsPath } from "./vfs-path.ts";
import { type VfsView } from "./vfs-view.ts";
import { walk } from "./walk.ts";

/*
 * The pax interchange format (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"): a ustar header of 512
 * bytes before each content, and before that, where a field is too short for a value, a record that holds it.
 */

const BLOCK_BYTES = 512;
/** An archive's length is a multiple of this, as GNU tar's is. */
const RECORD_BYTES = 20 * BLOCK_BYTES;
const NAME_BYTES = 100;
/** The size field has eleven octal digits. */
const MAX_USTAR_BYTES = 8 * 1024 ** 3 - 1;

type Header = {
  name: Buffer;
  typeFlag: "0" | "2" | "5" | "x";
  mode: number;
  sizeBytes: number;
  modifiedMs: number;
  target?: Buffer;
};

/**
 * Everything below a directory, or one file, as a tar archive. Files are read as they are when their turn comes; one that
 * shrinks meanwhile is filled up with zeros.
 *
 * @param warn gets what was left out: what is neither file, directory nor link, and what is gone
 */
export function* tarOf(vfs: VfsView, path: VfsPath, warn: (message: string) => void): Generator<Uint8Array> {
  let written = 0;
  const parts = function* () {
    const { mount, path: inner } = vfs.locateAt(path);
    const top = mount.stat(inner, true);
    if (top.type === "directory") {
      yield* headerBlocks(headerOf("./", top));
      for (const { relative, path: place, entry } of walk(vfs, path))
        yield* member(vfs, `./${relative}`, place, entry, warn);
    } else {
      // What is asked for by name is not left out.
      using file = mount.openFile(inner);
      yield* fileMember(file, top.name, top);
    }
  };
  for (const part of parts()) {
    written += part.length;
    yield part;
  }
  const end = written + 2 * BLOCK_BYTES;
  yield new Uint8Array(Math.ceil(end / RECORD_BYTES) * RECORD_BYTES - written);
}

function* member(
  vfs: VfsView,
  name: string,
  path: VfsPath,
  entry: Entry,
  warn: (message: string) => void,
): Generator<Uint8Array> {
  const skip = (reason: string) => warn(`left out "${printableName(path.shown)}": ${reason}`);
  switch (entry.type) {
    case "directory":
      yield* headerBlocks(headerOf(`${name}/`, entry));
      return;
    case "other":
      skip("it is neither a file, a directory nor a link");
      return;
    case "symlink": {
      const target = unlessGone(() => vfs.readLinkAt(path));
      if (target === undefined) skip(GONE);
      else yield* headerBlocks(headerOf(name, entry, target));
      return;
    }
    case "file": {
      const { mount, path: inner } = vfs.locateAt(path);
      using file = unlessGone(() => mount.openFile(inner));
      if (file === undefined) skip(GONE);
      else yield* fileMember(file, name, entry);
    }
  }
}

const GONE = "it is not there any more, or is something else now";
const goneCodes = ["not-found", "is-a-directory", "not-a-directory", "not-regular", "invalid-path"];

/** It was there a moment ago, when its directory was listed. */
function unlessGone<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch (thrown) {
    if (goneCodes.includes((thrown as { code?: string }).code ?? "")) return undefined;
    throw thrown;
  }
}

function* fileMember(file: OpenFile, name: string, entry: Entry): Generator<Uint8Array> {
  yield* headerBlocks(headerOf(name, { ...entry, sizeBytes: file.sizeBytes, mode: file.mode }));
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let left = file.sizeBytes;
  while (left > 0) {
    const length = file.read(buffer.subarray(0, Math.min(buffer.length, left)));
    if (length === 0) break;
    left -= length;
    yield buffer.subarray(0, length);
  }
  for (; left > 0; left -= Math.min(left, CHUNK_BYTES)) yield new Uint8Array(Math.min(left, CHUNK_BYTES));
  yield padding(file.sizeBytes);
}

function headerOf(name: string, { type, mode, sizeBytes, modifiedMs }: Entry, target?: string): Header {
  return {
    name: Buffer.from(encodeName(name)),
    typeFlag: type === "file" ? "0" : type === "symlink" ? "2" : "5",
    mode,
    sizeBytes: type === "file" ? sizeBytes : 0,
    modifiedMs,
    ...(target === undefined ? {} : { target: Buffer.from(encodeName(target)) }),
  };
}

function* headerBlocks(header: Header): Generator<Uint8Array> {
  const records = paxRecords(header);
  if (records.length > 0) {
    const { name, modifiedMs } = header;
    yield ustarHeader({ name, typeFlag: "x", mode: 0o644, sizeBytes: records.length, modifiedMs });
    yield records;
    yield padding(records.length);
  }
  yield ustarHeader(header);
}

/** What does not fit its field in the ustar header. */
function paxRecords({ name, target, sizeBytes }: Header): Buffer {
  return Buffer.concat([
    ...(name.length > NAME_BYTES ? [paxRecord("path", name)] : []),
    ...(target && target.length > NAME_BYTES ? [paxRecord("linkpath", target)] : []),
    ...(sizeBytes > MAX_USTAR_BYTES ? [paxRecord("size", Buffer.from(String(sizeBytes)))] : []),
  ]);
}

/** "<length> <key>=<value>\n", where the length counts its own digits too. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = 1 + key.length + 1 + value.length + 1;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from("\n")]);
}

function ustarHeader({ name, typeFlag, mode, sizeBytes, modifiedMs, target }: Header): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  name.copy(header, 0, 0, NAME_BYTES);
  header.write(octal(mode, 7), 100, "latin1");
  for (const offset of [108, 116]) header.write("0000000", offset, "latin1");
  header.write(octal(Math.min(sizeBytes, MAX_USTAR_BYTES), 11), 124, "latin1");
  header.write(octal(Math.max(0, Math.floor(modifiedMs / 1000)), 11), 136, "latin1");
  header.write("        ", 148, "latin1");
  header.write(typeFlag, 156, "latin1");
  target?.copy(header, 157, 0, NAME_BYTES);
  header.write("ustar\u000000", 257, "latin1");
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${octal(sum, 6)}\0 `, 148, "latin1");
  return header;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

function padding(bytes: number): Uint8Array {
  return new Uint8Array((BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES);
}
