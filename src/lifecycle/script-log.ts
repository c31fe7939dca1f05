import { closeSync, lstatSync, renameSync, rmSync } from "node:fs";

import { writeFully } from "../system/durable.ts";
import { openLog } from "../system/open-untrusted.ts";

/** A log that has grown beyond this is put aside before more is written. */
export const MAX_LOG_BYTES = 8 * 1024 ** 2;
/** So many old logs are kept beside the current one. */
export const KEPT_LOGS = 3;
/** A line longer than this is cut into several, so that one without an end cannot fill the memory. */
export const MAX_LINE_BYTES = 64 * 1024;

const NEWLINE = 0x0a;

/**
 * What a script prints, kept as `<name>.log`: a line `TIME STREAM TEXT` for each of its lines, written when the line is
 * whole. The time is when Aurora read it.
 */
export class ScriptLog {
  readonly #descriptor: number;
  readonly #now: () => Date;
  readonly #partial = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };

  private constructor(descriptor: number, now: () => Date) {
    this.#descriptor = descriptor;
    this.#now = now;
  }

  static open(logDirectory: string, name: string, now: () => Date): ScriptLog {
    return new ScriptLog(openRotated(`${logDirectory}/${name}.log`), now);
  }

  add(stream: "stdout" | "stderr", chunk: Uint8Array): void {
    let rest = chunk;
    for (;;) {
      const end = rest.indexOf(NEWLINE);
      if (end === -1) break;
      this.#partial[stream].push(rest.subarray(0, end));
      this.#flush(stream);
      rest = rest.subarray(end + 1);
    }
    if (rest.length === 0) return;
    // A copy: the chunk's memory may be used again by who reads.
    const partial = this.#partial[stream];
    partial.push(Buffer.from(rest));
    if (partial.reduce((sum, part) => sum + part.length, 0) > MAX_LINE_BYTES) this.#flush(stream);
  }

  #flush(stream: "stdout" | "stderr"): void {
    const line = Buffer.concat(this.#partial[stream]);
    this.#partial[stream] = [];
    writeFully(
      this.#descriptor,
      Buffer.concat([Buffer.from(`${this.#now().toISOString()} ${stream} `), line, Buffer.from("\n")]),
    );
  }

  [Symbol.dispose](): void {
    for (const stream of ["stdout", "stderr"] as const)
      if (this.#partial[stream].length > 0) this.#flush(stream);
    closeSync(this.#descriptor);
  }
}

/** Opens a log for appending; puts it aside first where it is large. */
function openRotated(path: string): number {
  rotateLogs([path]);
  return openLog(path);
}

/** Puts logs that belong together aside as `.1`, the older ones as `.2` and so on, where one of them has grown large. */
export function rotateLogs(paths: readonly string[]): void {
  if (!paths.some((path) => (lstatSync(path, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG_BYTES)) return;
  for (const path of paths) {
    rmSync(`${path}.${KEPT_LOGS}`, { recursive: true, force: true });
    for (let age = KEPT_LOGS - 1; age >= 1; age--) renameIfThere(`${path}.${age}`, `${path}.${age + 1}`);
    renameIfThere(path, `${path}.1`);
  }
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
  }
}
