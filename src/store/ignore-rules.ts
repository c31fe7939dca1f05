import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

import ignore from "ignore";

import { AuroraError, toAuroraError } from "../errors.ts";

const IGNORE_FILE = ".auroraignore";
export const MAX_IGNORE_FILE_BYTES = 1024 ** 2;

/** Whether an entry stays out of the pack. Ask for a directory before asking for what is in it. */
export type IgnoreRules = (path: string, name: string, isDirectory: boolean) => boolean;

/** Only `.git`: for trees whose ignored files are gone already. */
export const ignoreOnlyGit: IgnoreRules = (_path, name) => name === ".git";

/**
 * The rules of a pack: `.git` at any depth stays out, and what `.auroraignore` names in the
 * syntax of gitignore(5). Only the file at the top counts. It is part of the pack itself.
 *
 * @throws {AuroraError} `pack-invalid` where `.auroraignore` is no regular file or over 1 MiB
 */
export function readIgnoreRules(directory: string): IgnoreRules {
  const text = readRules(directory);
  if (text === undefined) return ignoreOnlyGit;
  const rules = ignore({ ignorecase: false }).add(text);
  return (path, name, isDirectory) => name === ".git" || rules.ignores(isDirectory ? `${path}/` : path);
}

function readRules(directory: string): string | undefined {
  const path = `${directory}/${IGNORE_FILE}`;
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP" || code === "ENXIO") throw unusable(path, "it is not a regular file");
    throw toAuroraError(thrown);
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) throw unusable(path, "it is not a regular file");
    if (stat.size > MAX_IGNORE_FILE_BYTES) throw unusable(path, "it is larger than 1 MiB");
    return readFileSync(descriptor, "utf8");
  } finally {
    closeSync(descriptor);
  }
}

function unusable(path: string, reason: string): AuroraError {
  return new AuroraError("pack-invalid", `cannot read "${path}": ${reason}`, {
    hint: `write the patterns into a plain file ${IGNORE_FILE} at the top of the pack`,
  });
}
