import * as fs from "node:fs";

/*
 * The calls of node:fs that change files, each announced before it is made: the self test stops the program at one of them,
 * or lets it fail there. Without a listener an announcement costs one comparison.
 */

/** Is told the name of a call before it is made. What it throws takes the place of the call. */
export type ChangeListener = (call: string) => void;

let listener: ChangeListener | undefined;

/** For a process that is there to be crashed, and for nothing else. */
export function listenToChanges(newListener: ChangeListener): void {
  listener = newListener;
}

/** Announces a change that is not made by a function of this file. */
export function announceChange(call: string): void {
  if (listener !== undefined) listener(call);
}

function announced<Call extends (...args: never[]) => unknown>(name: string, call: Call): Call {
  return ((...args) => {
    if (listener !== undefined) listener(name);
    return call(...args);
  }) as Call;
}

export const chmodSync = announced("chmod", fs.chmodSync);
export const copyFileSync = announced("copy_file_range", fs.copyFileSync);
export const fchmodSync = announced("fchmod", fs.fchmodSync);
export const fsyncSync = announced("fsync", fs.fsyncSync);
export const linkSync = announced("link", fs.linkSync);
export const mkdirSync = announced("mkdir", fs.mkdirSync);
export const renameSync = announced("rename", fs.renameSync);
export const rmSync = announced("rm", fs.rmSync);
export const symlinkSync = announced("symlink", fs.symlinkSync);
export const unlinkSync = announced("unlink", fs.unlinkSync);
export const writeSync = announced("write", fs.writeSync);

/** Creates a file that must not exist, and opens it for writing. */
export function createSync(path: string, mode: number): number {
  announceChange("create");
  return fs.openSync(path, "wx", mode);
}
