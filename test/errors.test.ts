import { expect, test } from "bun:test";

import { AuroraError, toAuroraError } from "../src/errors.ts";

test("where tidying up fails too, what it was done for is told", () => {
  const first = new AuroraError("unhealthy", "it is not healthy");
  const full = Object.assign(new Error("full"), { code: "ENOSPC", syscall: "unlink", path: "/x" });
  expect(toAuroraError(new SuppressedError(full, first))).toBe(first);
  expect(toAuroraError(new SuppressedError(first, new SuppressedError(first, full)))).toMatchObject({
    code: "no-space",
    message: 'cannot unlink "/x": no space left on the device',
  });
});
