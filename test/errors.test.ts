import { expect, test } from "bun:test";

import { AuroraError, toAuroraError } from "../src/errors.ts";

test("what went wrong is told, and not that clearing up went wrong after it", () => {
  const failing = (code: string): Disposable => ({
    [Symbol.dispose]() {
      throw Object.assign(new Error(code), { code, syscall: "rm", path: "/scratch" });
    },
  });
  const work = () => {
    using _outer = failing("EIO");
    using _inner = failing("EROFS");
    throw new AuroraError("no-space", "cannot begin");
  };
  let thrown: unknown;
  try {
    work();
  } catch (error) {
    thrown = error;
  }
  expect(toAuroraError(thrown)).toMatchObject({ code: "no-space", message: "cannot begin", exitCode: 1 });
});
