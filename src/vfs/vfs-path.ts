import { AuroraError } from "../errors.ts";
import { TEMPORARY_PREFIX } from "../system/durable.ts";

/** The longest path that the kernel takes in one call (PATH_MAX, with its NUL byte). */
export const MAX_PATH_BYTES = 4095;
/** The longest name of a file (NAME_MAX). */
export const MAX_NAME_BYTES = 255;
/** A UTF-16 unit is at most three bytes of UTF-8, so shorter texts need not be measured. */
const SURELY_SHORT = Math.floor(MAX_NAME_BYTES / 3);

export type VfsPath = {
  /** As it is shown: absolute, from the pack's root. */
  shown: string;
  /** From the root of whatever it is looked up in, without "." and ".." and slashes at its ends; "." for the root itself. */
  relative: string;
  /** Whether it was written as a directory: with a slash or a dot at its end. */
  isDirectory: boolean;
};

/**
 * Reads a path as people and scripts write it. "/" is the pack's root, with or without the leading slash. ".." is resolved by
 * the text alone, before any file is looked at, and never climbs above the root: that is refused, not cut off. Everything
 * else is an ordinary name: percent signs, backslashes, `foo..bar`, `....`, `C:\`, newlines. Only names that begin with
 * `.aurora-tmp.` are kept for files that are being written.
 *
 * @throws {AuroraError} `invalid-path` for what no file can be called, `escape-refused` for what leads above the root
 */
export function parseVfsPath(text: string): VfsPath {
  if (text.length <= SURELY_SHORT && isPlain(text)) {
    const relative = text.startsWith("/") ? text.slice(1) : text;
    return { shown: `/${relative}`, relative, isDirectory: false };
  }
  if (text === "")
    throw new AuroraError("invalid-path", "the path is empty", { hint: "/ is the pack's root" });
  if (text.includes("\0")) throw new AuroraError("invalid-path", `the path ${quote(text)} holds a NUL byte`);
  if (!text.isWellFormed())
    throw new AuroraError("invalid-path", `the path ${quote(text)} is not well-formed Unicode`);
  return parseSlowly(text);
}

const [SLASH, DOT] = [0x2f, 0x2e];

/**
 * ASCII, without NUL, empty and dotted names, and a slash at the end: nothing to resolve, and nothing to refuse. One pass, since
 * this is a good part of what a read of a small file costs beyond the system calls.
 */
function isPlain(text: string): boolean {
  let before = SLASH;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0 || code > 0x7f) return false;
    if (before === SLASH && (code === DOT || (code === SLASH && i > 0))) return false;
    before = code;
  }
  return before !== SLASH;
}

function parseSlowly(text: string): VfsPath {
  const names: string[] = [];
  const parts = text.split("/");
  for (const part of parts) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      if (names.pop() === undefined)
        throw new AuroraError("escape-refused", `the path ${quote(text)} leads out of the pack's root`);
    } else if (Buffer.byteLength(part) > MAX_NAME_BYTES)
      throw new AuroraError(
        "invalid-path",
        `the path ${quote(text)} has a name of more than ${MAX_NAME_BYTES} bytes`,
      );
    else if (part.startsWith(TEMPORARY_PREFIX))
      throw new AuroraError(
        "invalid-path",
        `the path ${quote(text)} has a name that is kept for unfinished files`,
      );
    else names.push(part);
  }
  const relative = names.join("/");
  if (Buffer.byteLength(relative) + 1 > MAX_PATH_BYTES)
    throw new AuroraError("invalid-path", `the path ${quote(text)} has more than ${MAX_PATH_BYTES} bytes`);
  const last = parts.at(-1);
  return {
    shown: `/${relative}`,
    relative: relative === "" ? "." : relative,
    isDirectory: relative === "" || last === "" || last === "." || last === "..",
  };
}

/** What lies above a relative path, and its last name; for ".", the name is "". */
export function splitPath(relative: string): { above: string; name: string } {
  if (relative === ".") return { above: ".", name: "" };
  const slash = relative.lastIndexOf("/");
  return slash === -1
    ? { above: ".", name: relative }
    : { above: relative.slice(0, slash), name: relative.slice(slash + 1) };
}

/** A name in a directory; `directory` is as `VfsPath` has it. */
export function childPath(directory: VfsPath, name: string): VfsPath {
  return {
    shown: directory.shown === "/" ? `/${name}` : `${directory.shown}/${name}`,
    relative: directory.relative === "." ? name : `${directory.relative}/${name}`,
    isDirectory: false,
  };
}

/** A path in a message: on one line, and not longer than a line. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
