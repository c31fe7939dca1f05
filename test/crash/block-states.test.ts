/** What is made of a recorded disk: which states a power cut may leave. */
import { expect, test } from "bun:test";

import { blockStates, readBlockTrace } from "../../scripts/crash/block-states.ts";

function entry(kind: "W" | "Z" | "F", offset: number, data = ""): Buffer {
  const head = Buffer.alloc(17);
  head.write(kind);
  head.writeBigUInt64LE(BigInt(offset), 1);
  head.writeBigUInt64LE(BigInt(data.length), 9);
  return kind === "W" ? Buffer.concat([head, Buffer.from(data)]) : head;
}

test("a record becomes epochs between flushes, and what came before the command is certain", () => {
  const before = Buffer.concat([entry("W", 0, "old"), entry("F", 0), entry("Z", 8, "1234")]);
  const during = Buffer.concat([
    entry("F", 0),
    entry("W", 4096, "one"),
    entry("W", 8192, "two"),
    entry("F", 0),
    entry("W", 0, "three"),
  ]);
  const record = Buffer.concat([before, during, entry("W", 0, "too late")]);
  const { before: certain, epochs } = readBlockTrace(record, before.length, before.length + during.length);
  expect(certain.map(({ offset, length, data }) => [offset, length, data?.toString()])).toEqual([
    [0, 3, "old"],
    [8, 4, undefined],
  ]);
  expect(epochs.map((writes) => writes.map(({ data }) => data?.toString()))).toEqual([
    ["one", "two"],
    ["three"],
  ]);
});

test("after a flush any part of what follows may be there; after the end only what was flushed is certain", () => {
  const write = (offset: number) => ({ offset, length: 4096, data: Buffer.alloc(4096) });
  const states = blockStates({ before: [], epochs: [[write(0), write(1), write(2)], [write(3)]] }, () => 0.4);
  expect(states.map(({ epoch, writes, isTorn, isAfterEnd }) => [epoch, writes, isTorn, isAfterEnd])).toEqual([
    [0, [], false, false],
    [0, [0], false, false],
    [0, [0], true, false],
    [0, [0, 1], false, false],
    [0, [0, 1], true, false],
    [0, [1, 2], false, false],
    [0, [0, 2], false, false],
    [0, [0, 1], false, false],
    [0, [0, 1, 2], false, false],
    [0, [0, 1, 2], false, false],
    [1, [], false, false],
    [1, [], false, false],
    [1, [0], false, false],
    [1, [], false, true],
  ]);
});
