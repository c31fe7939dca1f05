import { expect, test } from "bun:test";

import { testHome } from "../../support/test-home.ts";

test("all entries, by id", async () => {
  await using t = testHome();
  expect(await t.run(["ns", "list"])).toEqual({ stdout: "no namespaces\n", stderr: "", exitCode: 0 });
  await t.run(["ns", "register", "b"]);
  await t.run(["ns", "register", "a", "--meta", '{"x":1}']);
  expect(await t.run(["ns", "list"])).toEqual({
    stdout: `PACK  REVISION  UPDATED                   META
a     1         TIME  {"x":1}
b     1         TIME  {}
`,
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["ns", "list"])).value).toMatchObject([
    { pack_id: "a", meta: { x: 1 } },
    { pack_id: "b", meta: {} },
  ]);
});

test("an installed pack has an entry, also when it does not register itself", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  expect((await t.json(["ns", "list"])).value).toEqual([
    { pack_id: "app", meta: {}, revision: 1, updated: expect.any(String) },
  ]);
});
