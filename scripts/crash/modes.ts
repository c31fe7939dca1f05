import { type Inject } from "./injector.ts";
import { type Forgotten } from "./power-model.ts";
import { type FileSystem } from "./power-slot.ts";

/** The errno values of Linux on x86-64 and aarch64 (errno(3)). */
const numbers = { EIO: 5, EMFILE: 24, ENOSPC: 28, EROFS: 30, EDQUOT: 122 } as const;

/** What happens at the point, for each mode. */
export const modeMeanings: readonly (readonly [modes: string, meaning: string])[] = [
  ["kill", "SIGKILL for the program; scripts and services go on"],
  ["kill-all", "SIGKILL for it and for all that it has started"],
  ["torn", "half of a write, then SIGKILL"],
  ["short", "half of a write, and the program is told so"],
  ["EIO, ENOSPC, EDQUOT, EMFILE, EROFS", "the call fails"],
  ["ENOSPC+", "it and every later one that takes space: the disk stays full"],
  ["power-ext4, power-xfs", "the power is cut: only what was flushed is there afterwards"],
  ["power-btrfs", "the same, where the kernel can cut off btrfs"],
  [
    "lying-ext4, lying-xfs",
    "the same on a disk that does not flush: has to break, or the test proves nothing",
  ],
  ["model", "every state that a power cut may leave by the rules of POSIX and of journals"],
  ["model-killed", "the command is killed before a flush and the next one ends; then as model"],
  ["model-no-file-sync, model-no-directory-sync", "as model, without these flushes: has to break"],
  [
    "blocks-ext4, blocks-xfs, blocks-btrfs",
    "every disk that a power cut may leave, from a record of its writes",
  ],
  ["lying-blocks-ext4, lying-blocks-xfs, lying-blocks-btrfs", "the same without any flush: has to break"],
];

export const killModes = [
  "kill",
  "kill-all",
  "torn",
  "short",
  "EIO",
  "ENOSPC",
  "ENOSPC+",
  "EDQUOT",
  "EMFILE",
  "EROFS",
] as const;

const powerModes = ["power-ext4", "power-xfs", "power-btrfs"] as const;

const blockModes = ["blocks-ext4", "blocks-xfs", "blocks-btrfs"] as const;

/** For a mode that replays a disk: which file system, and whether flushes are left out. Undefined for the other modes. */
export function blocksOf(mode: string): { mode: string; fileSystem: FileSystem; lies: boolean } | undefined {
  const [, lying, fileSystem] = /^(lying-)?blocks-(ext4|xfs|btrfs)$/.exec(mode) ?? [];
  return fileSystem === undefined
    ? undefined
    : { mode, fileSystem: fileSystem as FileSystem, lies: lying !== undefined };
}

/** The file system whose power a mode cuts; undefined for the others. */
export function fileSystemOf(mode: string): FileSystem | undefined {
  return /^(?:power|lying)-(ext4|xfs|btrfs)$/.exec(mode)?.[1] as FileSystem | undefined;
}

const modelModes: Record<string, Forgotten> = {
  model: undefined,
  "model-no-file-sync": "file",
  "model-no-directory-sync": "directory",
};

/** For a mode that asks the model: which flushes are left out. Undefined for the other modes. */
export function modelOf(mode: string): { forgotten: Forgotten } | undefined {
  return mode in modelModes ? { forgotten: modelModes[mode] } : undefined;
}

/** The mode that cuts the power, by the model, after a kill and the next command. */
export const KILLED_THEN_CUT = "model-killed";

/** What `all` stands for: every mode that has to hold. */
export const everyMode: readonly string[] = [
  ...killModes,
  "model",
  KILLED_THEN_CUT,
  ...powerModes,
  ...blockModes,
];

export function isMode(mode: string): boolean {
  return modeMeanings.some(([modes]) => modes.split(", ").includes(mode));
}

/** What the injector has to do for a mode. Throws for a name that is none. */
export function injectionOf(mode: string, at: number): Inject & { at: number } {
  if (mode === "kill" || mode === "kill-all" || mode === "torn" || mode === "short") return { mode, at };
  if (fileSystemOf(mode)) return { mode: "cut-power", at, lies: mode.startsWith("lying") };
  const errno = numbers[mode.replace("+", "") as keyof typeof numbers];
  if (errno === undefined) throw new Error(`there is no mode "${mode}"`);
  return { mode: mode.endsWith("+") ? "error-on" : "error", at, errno };
}

/** Whether a mode has any effect at a call. */
export function isPointOf(mode: string, call: string): boolean {
  return (mode !== "torn" && mode !== "short") || / n=\d{2,}$/.test(call);
}
