import { AuroraError } from "../errors.ts";

/** The longest path that the kernel takes in one call (PATH_MAX, with its NUL byte). */
export const MAX_PATH_BYTES = 4095;
/** The longest name of a file (NAME_MAX). */
export const MAX_NAME_BYTES = 255;

export type VfsPath = {
  /** As it is shown: absolute, from the pack's root. */
  shown: string;
  /** Its names, without "." and ".."; none for the root itself. */
  names: string[];
  /** Whether it was written as a directory: with a slash or a dot at its end. */
  isDirectory: boolean;
};

/**
 * Reads a path as people and scripts write it. "/" is the pack's root, with or without the leading slash. ".." is resolved by
 * the text alone, before any file is looked at, and never climbs above the root: that is refused, not cut off. Everything
 * else is an ordinary name: percent signs, backslashes, `foo..bar`, `....`, `C:\`, newlines.
 *
 * @throws {AuroraError} `invalid-path` for what no file can be called, `escape-refused` for what leads above the root
 */
export function parseVfsPath(text: string): VfsPath {
  if (text === "")
    throw new AuroraError("invalid-path", "the path is empty", { hint: "/ is the pack's root" });
  if (text.includes("\0")) throw new AuroraError("invalid-path", `the path ${quote(text)} holds a NUL byte`);
  if (!text.isWellFormed())
    throw new AuroraError("invalid-path", `the path ${quote(text)} is not well-formed Unicode`);
  const names: string[] = [];
  const parts = text.split("/");
  for (const part of parts) {
    if (part === "" || part === ".") continue;
    if (part !== "..") {
      if (Buffer.byteLength(part) > MAX_NAME_BYTES)
        throw new AuroraError(
          "invalid-path",
          `the path ${quote(text)} has a name of more than ${MAX_NAME_BYTES} bytes`,
        );
      names.push(part);
    } else if (names.pop() === undefined)
      throw new AuroraError("escape-refused", `the path ${quote(text)} leads out of the pack's root`);
  }
  const shown = `/${names.join("/")}`;
  if (Buffer.byteLength(shown) > MAX_PATH_BYTES)
    throw new AuroraError("invalid-path", `the path ${quote(text)} has more than ${MAX_PATH_BYTES} bytes`);
  const last = parts.at(-1);
  return { shown, names, isDirectory: names.length === 0 || last === "" || last === "." || last === ".." };
}

/** A path in a message: on one line, and not longer than a line. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
