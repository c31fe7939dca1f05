/** One machine builds for all. What is built for another machine cannot be run here, but its header says whose it is. */
import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";

import { scratch } from "../support/aurora.ts";

const root = join(import.meta.dir, "../..");
const HEADER_BYTES = 4096;

/** ELF-64 (elf(5)): the machine at 18, and the loader's path, which tells glibc from musl, in the first page. */
const elf = { x64: 62, arm64: 183 };
/** Mach-O (<mach-o/loader.h>): the magic number, and the processor at 4. */
const MACH_O_MAGIC = 0xfeedfacf;
const machO = { x64: 0x01000007, arm64: 0x0100000c };

function headerOf(path: string): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, "r");
  readSync(file, header, 0, HEADER_BYTES, 0);
  closeSync(file);
  return header;
}

function describeHeader(header: Buffer): string {
  if (header.readUInt32LE(0) === MACH_O_MAGIC) {
    const cpu = header.readUInt32LE(4);
    return `darwin-${Object.entries(machO).find(([, id]) => id === cpu)?.[0] ?? cpu}`;
  }
  if (header.toString("latin1", 0, 4) !== "\x7fELF") return "no executable";
  const machine = header.readUInt16LE(18);
  const arch = Object.entries(elf).find(([, id]) => id === machine)?.[0] ?? machine;
  const loader = /\/lib(?:64)?\/(ld-[a-z0-9_.-]+)\0/.exec(header.toString("latin1"))?.[1];
  if (loader?.startsWith("ld-musl-")) return `linux-${arch}-musl`;
  return loader?.startsWith("ld-linux-") ? `linux-${arch}` : `linux-${arch} with the loader ${loader}`;
}

describe.skipIf(Bun.env["AURORA_LONG_TESTS"] !== "1")(
  "builds for other machines (skipped without AURORA_LONG_TESTS=1: each fetches 100 MB)",
  () => {
    test.each([
      "linux-x64",
      "linux-arm64",
      "linux-x64-musl",
      "linux-arm64-musl",
      "darwin-x64",
      "darwin-arm64",
    ])(
      "%s",
      (target) => {
        using directory = scratch();
        const outfile = join(directory.path, "aurora");
        const built = Bun.spawnSync(
          [process.execPath, "scripts/build.ts", "--target", target, "--outfile", outfile],
          { cwd: root, stdout: "ignore", stderr: "pipe" },
        );
        expect(built.exitCode, built.stderr.toString()).toBe(0);
        expect(describeHeader(headerOf(outfile))).toBe(target);
        if (target !== `${process.platform}-${process.arch}`) return;
        const version = Bun.spawnSync([outfile, "version", "--json"]);
        expect(JSON.parse(version.stdout.toString())).toMatchObject({ target });
      },
      300_000,
    );
  },
);

test("a target that nobody knows is refused before anything is built", () => {
  const built = Bun.spawnSync([process.execPath, "scripts/build.ts", "--target", "linux-sparc"], {
    cwd: root,
  });
  expect(built.stderr.toString()).toBe(
    'unknown target "linux-sparc"; known: linux-x64, linux-arm64, linux-x64-musl, linux-arm64-musl, darwin-x64, darwin-arm64\n',
  );
  expect(built.exitCode).toBe(2);
});
