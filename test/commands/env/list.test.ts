import { expect, test } from "bun:test";

import { testHome } from "../../support/test-home.ts";

test("names, and values only when they are asked for", async () => {
  await using t = testHome();
  expect(await t.run(["env", "list", "app"])).toEqual({
    stdout: "app has no variables\n",
    stderr: "",
    exitCode: 0,
  });
  await t.run(["env", "set", "app", "B=2", "A=1"]);
  expect(await t.run(["env", "list", "app"])).toEqual({ stdout: "A\nB\n", stderr: "", exitCode: 0 });
  expect(await t.run(["env", "list", "--pack", "app", "--show-values"])).toMatchObject({
    stdout: "A=1\nB=2\n",
  });
  expect((await t.json(["env", "list", "app"])).value).toEqual({
    pack_id: "app",
    variables: [{ name: "A" }, { name: "B" }],
  });
  expect((await t.json(["env", "list", "app", "--show-values"])).value).toEqual({
    pack_id: "app",
    variables: [
      { name: "A", value: "1" },
      { name: "B", value: "2" },
    ],
  });
});
