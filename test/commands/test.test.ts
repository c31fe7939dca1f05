import { expect, test } from "bun:test";

import { testHome } from "../support/test-home.ts";

test("runs the pack's own tests in a copy", async () => {
  await using t = testHome();
  t.write({ id: "app", test: 'echo "1 passed"; touch left-here' });
  expect(await t.run(["test", "app"])).toEqual({
    stdout: "1 passed\ntest of app passed\nwhat it changed in its copy:\n  + left-here\n",
    stderr: "",
    exitCode: 0,
  });
  expect(await Bun.file(`${t.packs}/app/left-here`).exists()).toBe(false);
});

test("failing tests are exit 1, and no tests are not found", async () => {
  await using t = testHome();
  t.write({ id: "app", test: "echo '1 failed' >&2; exit 1" });
  expect(await t.run(["test", "app"])).toEqual({
    stdout: "1 failed\ntest of app ended with exit code 1\n",
    stderr: "",
    exitCode: 1,
  });
  t.write({ id: "bare" });
  expect(await t.run(["test", "bare"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: "bare" has no tests\nhint: name a script as entrypoint.test in its manifest\n',
    exitCode: 5,
  });
});
