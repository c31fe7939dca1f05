import { type TreeEntry } from "./tree-entry.ts";

/*
 * The ustar format as GNU tar writes it with the options of the digest (POSIX.1-1988, "Extended tar Format"; GNU tar 1.34,
 * `write_ustar_long_name`). Only headers are made here; nothing is written to a file.
 */

export const BLOCK_BYTES = 512;
/** GNU tar's default blocking factor is 20: an archive's length is a multiple of this. */
export const RECORD_BYTES = 20 * BLOCK_BYTES;
/** The size field has eleven octal digits. */
export const MAX_FILE_BYTES = 8 * 1024 ** 3 - 1;
export const MAX_TARGET_BYTES = 100;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const SLASH = 0x2f;
/** Owner, group, device major and minor. */
const NUMBERS_THAT_ARE_ZERO = [108, 116, 329, 337];

/** The name in the archive: "./" for the pack itself, "./bin/" for a directory, "./bin/run" for a file. */
function archiveName(path: string, isDirectory: boolean): Buffer {
  return Buffer.from(path === "" ? "./" : `./${path}${isDirectory ? "/" : ""}`);
}

/**
 * Where GNU tar divides a long name into the prefix and name fields: 0 for a name that needs no prefix, undefined for one
 * that does not fit.
 */
function splitAt(name: Uint8Array): number | undefined {
  if (name.length <= NAME_BYTES) return 0;
  if (name.length > PREFIX_BYTES + 1 + NAME_BYTES) return undefined;
  let end = name.length;
  if (end > PREFIX_BYTES + 1) end = PREFIX_BYTES + 1;
  else if (name[end - 1] === SLASH) end--;
  const slash = name.lastIndexOf(SLASH, end - 1);
  const rest = name.length - slash - 1;
  return slash <= 0 || rest === 0 || rest > NAME_BYTES ? undefined : slash;
}

/** Whether a path, relative to the pack, fits a ustar header. */
export function fitsUstar(path: string, isDirectory: boolean): boolean {
  // Most names are short: a UTF-8 byte is at most a third of a UTF-16 unit's worst case.
  if (path.length * 3 + 3 <= NAME_BYTES) return true;
  return splitAt(archiveName(path, isDirectory)) !== undefined;
}

/**
 * The 512 bytes before an entry's content. The path must fit (`fitsUstar`), a target have at most `MAX_TARGET_BYTES`, a
 * size be at most `MAX_FILE_BYTES`.
 */
export function ustarHeader(
  entry: Pick<TreeEntry, "path" | "type" | "mode" | "size_bytes" | "target">,
): Buffer {
  const name = archiveName(entry.path, entry.type === "directory");
  const split = splitAt(name);
  if (split === undefined) throw new Error(`"${entry.path}" does not fit a ustar header`);
  const blank = entry.mode === 0o644 ? plainFile : blanks[entry.type];
  const header = Buffer.from(blank.bytes);
  let { sum } = blank;
  const put = (bytes: Uint8Array, offset: number) => {
    header.set(bytes, offset);
    sum += sumOf(bytes);
  };
  put(split === 0 ? name : name.subarray(split + 1), 0);
  if (split > 0) put(name.subarray(0, split), 345);
  if (entry.target !== null) put(Buffer.from(entry.target), 157);
  const size = entry.size_bytes.toString(8);
  header.write(size, SIZE_END - size.length, "latin1");
  for (let i = 0; i < size.length; i++) sum += size.charCodeAt(i) - ZERO;
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

const SIZE_END = 135;
const ZERO = 0x30;

/**
 * What all headers of a kind have: most of a header is the same in each, and adding up what differs is a tenth of the work. chmod(1)
 * clauses treat a symlink's 777 as "has an execute bit", so it becomes 755 like a program.
 */
const plainFile = blankHeader("0000644", "0");
const blanks = {
  file: blankHeader("0000755", "0"),
  symlink: blankHeader("0000755", "2"),
  directory: blankHeader("0000755", "5"),
};

function blankHeader(mode: string, typeFlag: string): { bytes: Buffer; sum: number } {
  const bytes = Buffer.alloc(BLOCK_BYTES);
  const put = (text: string, offset: number) => bytes.write(text, offset, "latin1");
  put(mode, 100);
  for (const offset of NUMBERS_THAT_ARE_ZERO) put("0000000", offset);
  put("00000000000", 124);
  put("00000000000", 136);
  put("        ", 148);
  put(typeFlag, 156);
  put("ustar", 257);
  put("00", 263);
  return { bytes, sum: sumOf(bytes) };
}

function sumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum += bytes[i] as number;
  return sum;
}
