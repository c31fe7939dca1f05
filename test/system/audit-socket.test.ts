import { expect, test } from "bun:test";

import { AuditSocket, isAuditOn } from "../../src/system/audit-socket.ts";

const isLinux = process.platform === "linux";
const isRoot = process.getuid?.() === 0;
const canListen = isLinux && isRoot && isAnswered();

/** A container keeps it from root as well. */
function isAnswered(): boolean {
  try {
    isAuditOn();
    return true;
  } catch {
    return false;
  }
}

test.skipIf(!canListen)("what is marked comes, in its place (needs root)", () => {
  using socket = new AuditSocket();
  const marks = ["first", "second"].map((word) => `aurora test ${process.pid} ${word}`);
  for (const mark of marks) socket.mark(mark);
  const found: string[] = [];
  while (found.length < marks.length) {
    const record = socket.next(20_000);
    if (record === undefined) throw new Error(`after ${found.join()} nothing came`);
    expect(record.text).toMatch(/^audit\([\d.]+:\d+\): /);
    found.push(...marks.filter((mark) => record.text.includes(mark)));
  }
  expect(found).toEqual(marks);
});

test.skipIf(!isLinux || isRoot)("nobody but root is told", () => {
  expect(isAuditOn).toThrow(/^(EPERM|ECONNREFUSED|EPROTONOSUPPORT): /);
});
