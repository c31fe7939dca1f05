/** FIFOs that are read only when something was written to them, with inotify and where there is none to be had. */
import { expect, test } from "bun:test";
import { join } from "node:path";

import { scratch } from "../support/aurora.ts";
import { canBeLesser, lacking, onLesserKernel } from "../support/lesser-kernel.ts";

const module = (name: string) => JSON.stringify(join(import.meta.dir, `../../src/system/${name}.ts`));
/** Ends by itself only if nothing is watched any more. */
const script = `
  import { constants, openSync, readSync, writeSync } from "node:fs";
  const { fifoWatch } = await import(${module("fifo-watch")});
  const { makeFifo } = await import(${module("fifo")});
  const directory = process.argv.at(-1);
  const told = [];
  let next = Promise.withResolvers();
  const readers = ["a", "b", "c"].map((name) => {
    makeFifo(directory + "/" + name, 0o600);
    const descriptor = openSync(directory + "/" + name, constants.O_RDWR | constants.O_NONBLOCK);
    return { name, descriptor, written: () => { told.push(name); next.resolve(); } };
  });
  const buffer = Buffer.alloc(100);
  for (const reader of readers) { fifoWatch.add(reader); fifoWatch.arm(reader); }
  const [a, b, c] = readers;
  for (const reader of [b, a, b]) {
    next = Promise.withResolvers();
    writeSync(reader.descriptor, "x");
    await next.promise;
    readSync(reader.descriptor, buffer);
    fifoWatch.arm(reader);
  }
  fifoWatch.remove(c);
  writeSync(c.descriptor, "x");
  next = Promise.withResolvers();
  writeSync(a.descriptor, "x");
  await next.promise;
  fifoWatch.remove(a);
  fifoWatch.remove(b);
  console.log(told.join());
`;

test.each([
  ["with inotify", []],
  ["without inotify", canBeLesser ? onLesserKernel(lacking.inotify) : undefined],
] as const)(
  "each reader is told of writes to its own FIFO until it is removed, %s",
  async (_name, before) => {
    if (process.platform !== "linux" || before === undefined) return;
    using directory = scratch();
    const child = Bun.spawn([...before, process.execPath, "-e", script, directory.path], {
      env: { PATH: process.env["PATH"] ?? "", BUN_BE_BUN: "1" },
      stderr: "inherit",
    });
    expect(await child.stdout.text()).toBe("b,a,b,a\n");
    expect(await child.exited).toBe(0);
  },
);
