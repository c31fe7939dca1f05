import { expect, test } from "bun:test";

import { testHome } from "../support/test-home.ts";

test("what a pack depends on, and what depends on it", async () => {
  await using t = testHome();
  const plain = { start: null, stop: null, health: null, install: null };
  t.write({ id: "a", ...plain });
  t.write({ id: "b", ...plain, manifest: '  dependencies: [{ pack_id: a, version_constraint: "^1" }]' });
  t.write({
    id: "c",
    ...plain,
    manifest:
      '  dependencies: [{ pack_id: b, version_constraint: "*" }, { pack_id: a, version_constraint: ">=1 <2" }]',
  });
  await t.run(["install", "c"]);
  expect(await t.run(["deps", "c"])).toEqual({
    stdout: "c 1.0.0\n├─ b *  1.0.0\n│  └─ a ^1  1.0.0\n└─ a >=1 <2  1.0.0\n",
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["deps", "--pack", "a"])).toMatchObject({
    stdout: "a 1.0.0\ndepends on nothing\nneeded by: b, c\n",
  });
  expect((await t.json(["deps", "b"])).value).toEqual({
    pack_id: "b",
    version: "1.0.0",
    dependencies: [
      { pack_id: "a", version_constraint: "^1", version: "1.0.0", satisfied: true, dependencies: [] },
    ],
    dependents: ["c"],
  });
  expect(await t.run(["deps", "z"])).toMatchObject({ stdout: "", exitCode: 5 });
});
