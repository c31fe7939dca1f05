import { closeSync, openSync, readFileSync, renameSync } from "node:fs";

import { writeFully } from "../system/durable.ts";
import { type ServiceRecord, type ServiceStore } from "./service-record.ts";

/** When the file has grown by this much, it is written anew with the last record of each service only. */
export const MAX_GROWTH_BYTES = 256 * 1024;
const MODE = 0o600;

/**
 * The records in one file: a line is appended for each change, and the last one of a service counts. It outlives a crash of
 * the daemon, which is when it is needed; after a crash of the machine there is no process that it could tell of, so
 * nothing waits for the disk.
 */
export class RecordFile implements ServiceStore {
  readonly #path: string;
  #descriptor: number;
  #grownBytes = 0;

  constructor(path: string) {
    this.#path = path;
    this.#descriptor = this.#compact();
  }

  load(): ServiceRecord[] {
    return [...readRecords(this.#path).values()];
  }

  save(records: readonly ServiceRecord[]): void {
    this.#append(records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  }

  remove(packId: string): void {
    this.#append(`${JSON.stringify({ packId, isRemoved: true })}\n`);
  }

  /** A line that was begun when the disk was full must not take the next one with it: each begins on a line of its own. */
  #append(lines: string): void {
    const bytes = Buffer.from(`\n${lines}`);
    writeFully(this.#descriptor, bytes);
    this.#grownBytes += bytes.length;
    if (this.#grownBytes < MAX_GROWTH_BYTES) return;
    const old = this.#descriptor;
    this.#descriptor = this.#compact();
    closeSync(old);
  }

  /** Nothing of it is kept in memory: that would be for each service, all the time. */
  #compact(): number {
    const lines = this.load().map((record) => `${JSON.stringify(record)}\n`);
    const temporary = `${this.#path}.new`;
    const descriptor = openSync(temporary, "w", MODE);
    writeFully(descriptor, Buffer.from(lines.join("")));
    renameSync(temporary, this.#path);
    this.#grownBytes = 0;
    return descriptor;
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}

function readRecords(path: string): Map<string, ServiceRecord> {
  const records = new Map<string, ServiceRecord>();
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return records;
    throw thrown;
  }
  for (const line of text.split("\n")) {
    const record = parseRecord(line);
    if (record && "isRemoved" in record) records.delete(record.packId);
    else if (record) records.set(record.packId, record);
  }
  return records;
}

/** A crash may have torn the last line. */
function parseRecord(line: string): ServiceRecord | { packId: string; isRemoved: true } | undefined {
  try {
    return line === "" ? undefined : (JSON.parse(line) as ServiceRecord);
  } catch {
    return undefined;
  }
}
