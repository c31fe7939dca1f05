import { expect, test } from "bun:test";

import { testHome } from "../../support/test-home.ts";

test("the meta of an entry, or that there is none", async () => {
  await using t = testHome();
  await t.run(["ns", "register", "app", "--meta", '{"b":[1,2],"a":"x"}']);
  expect(await t.run(["ns", "get", "app"])).toEqual({
    stdout: '{\n  "b": [\n    1,\n    2\n  ],\n  "a": "x"\n}\n',
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["ns", "get", "app"])).value).toEqual({
    pack_id: "app",
    meta: { b: [1, 2], a: "x" },
    revision: 1,
    updated: expect.any(String),
  });
  expect(await t.run(["ns", "get", "ap"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: "ap" has no entry in the namespace registry\nhint: did you mean "app"?\n',
    exitCode: 5,
  });
});
