import { expect, test } from "bun:test";

import { testHome } from "../../support/test-home.ts";

test("all that are named, or none", async () => {
  await using t = testHome();
  await t.run(["env", "set", "app", "A=1", "B=2", "C=3"]);
  expect(await t.run(["env", "unset", "app", "A", "X", "Y"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: "X", "Y" are not set for "app"\nhint: aurora env list app shows what is\n',
    exitCode: 5,
  });
  expect(await t.run(["env", "unset", "app", "A", "B"])).toEqual({
    stdout: "app: A, B are no longer set\n",
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["env", "list", "app"])).toMatchObject({ stdout: "C\n" });
});
