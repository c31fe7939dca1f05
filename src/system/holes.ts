import { fstatSync, ftruncateSync } from "node:fs";

import { errno, openLibc } from "./libc.ts";

const SEEK_SET = 0;
const SEEK_CUR = 1;
const [SEEK_DATA, SEEK_HOLE] = process.platform === "darwin" ? [4, 3] : [3, 4];
const ENXIO = 6;

let libc: ReturnType<typeof bind> | undefined;

function bind() {
  return openLibc({ lseek: { args: ["i32", "i64", "i32"], returns: "i64" } });
}

function seek(descriptor: number, at: number, kind: number): number {
  libc ??= bind();
  return Number(libc.lseek(descriptor, at, kind));
}

/** Where the next data or the next hole begins; undefined behind the last. */
export function nextPart(descriptor: number, at: number, kind: "data" | "hole"): number | undefined {
  const found = seek(descriptor, at, kind === "data" ? SEEK_DATA : SEEK_HOLE);
  return found < 0 ? undefined : found;
}

/**
 * Leaves out of a copy what the original has no blocks for: a file with holes may be far larger than the disk. Both
 * positions are moved over a hole that begins here, and a hole at the end becomes one of the copy's.
 *
 * @returns the length of the hole, and how much data follows; that is unknown (undefined) where the file system cannot tell
 */
export function passHole(from: number, to: number): { holeBytes: number; dataBytes: number | undefined } {
  const here = seek(from, 0, SEEK_CUR);
  const data = seek(from, here, SEEK_DATA);
  if (data < 0) {
    const size = errno() === ENXIO ? fstatSync(from).size : 0;
    if (size <= here) return { holeBytes: 0, dataBytes: undefined };
    ftruncateSync(to, size);
    moveTo(size, from, to);
    return { holeBytes: size - here, dataBytes: 0 };
  }
  const end = seek(from, data, SEEK_HOLE);
  moveTo(data, from, to);
  return { holeBytes: data - here, dataBytes: end < 0 ? undefined : end - data };
}

function moveTo(position: number, ...descriptors: number[]): void {
  for (const descriptor of descriptors) seek(descriptor, position, SEEK_SET);
}
