import { expect, test } from "bun:test";
import { closeSync, readFileSync, readSync, writeSync } from "node:fs";

import { openMemoryFile } from "../../src/system/memory-file.ts";
import { dropFromPipe, openPipe, PIPE_MAX_BYTES, widenPipe } from "../../src/system/pipe.ts";

const O_CLOEXEC = 0o2_000_000;
const O_NONBLOCK = 0o4_000;
const flagsOf = (descriptor: number) =>
  Number.parseInt(
    /flags:\t(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1"))?.[1] ?? "",
    8,
  );

test("a pipe carries bytes, does not block its reader, and is inherited by nobody", () => {
  const { read, write } = openPipe();
  expect([flagsOf(read) & O_NONBLOCK, flagsOf(write) & O_NONBLOCK]).toEqual([O_NONBLOCK, 0]);
  expect([flagsOf(read) & O_CLOEXEC, flagsOf(write) & O_CLOEXEC]).toEqual([O_CLOEXEC, O_CLOEXEC]);
  const block = Buffer.alloc(16);
  expect(() => readSync(read, block)).toThrow("EAGAIN");
  writeSync(write, "hello");
  expect(block.toString("latin1", 0, readSync(read, block))).toBe("hello");
  closeSync(write);
  expect(readSync(read, block)).toBe(0);
  closeSync(read);
});

test("where there is no pipe2, a FIFO without a name is one", () => {
  const { read, write } = openPipe("darwin");
  expect([flagsOf(read) & O_NONBLOCK, flagsOf(write) & O_NONBLOCK]).toEqual([O_NONBLOCK, 0]);
  expect([flagsOf(read) & O_CLOEXEC, flagsOf(write) & O_CLOEXEC]).toEqual([O_CLOEXEC, O_CLOEXEC]);
  writeSync(write, "hello");
  closeSync(write);
  const block = Buffer.alloc(16);
  expect(block.toString("latin1", 0, readSync(read, block))).toBe("hello");
  expect(readSync(read, block)).toBe(0);
  closeSync(read);
});

test("a pipe can be widened, and a wish too large changes nothing", () => {
  const { read, write } = openPipe();
  widenPipe(read, 512 * 1024);
  widenPipe(read, 2 ** 31 - 1);
  expect(writeSync(write, Buffer.alloc(512 * 1024))).toBe(512 * 1024);
  expect(512 * 1024).toBeLessThanOrEqual(PIPE_MAX_BYTES);
  closeSync(write);
  closeSync(read);
});

test.skipIf(process.platform !== "linux")("what is in a pipe is dropped, and nothing is waited for", () => {
  const { read, write } = openPipe();
  writeSync(write, Buffer.alloc(50_000));
  dropFromPipe(read, 1000);
  const block = Buffer.alloc(16);
  expect(() => readSync(read, block)).toThrow("EAGAIN");
  writeSync(write, "more");
  closeSync(write);
  // At the end of the stream neither.
  dropFromPipe(read, 1000);
  expect(readSync(read, block)).toBe(0);
  closeSync(read);
});

test.each(["linux", "darwin"] as const)("a file in memory is read from its start, as on %s", (platform) => {
  const bytes = Buffer.alloc(200_000, "ab");
  const descriptor = openMemoryFile("test", bytes, platform);
  expect(flagsOf(descriptor) & O_CLOEXEC).toBe(O_CLOEXEC);
  const block = Buffer.alloc(300_000);
  expect(readSync(descriptor, block)).toBe(200_000);
  expect(block.subarray(0, 200_000).equals(bytes)).toBe(true);
  closeSync(descriptor);
});
