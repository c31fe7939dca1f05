import { expect, test } from "bun:test";

import { aurora } from "../../support/aurora.ts";
import { testHome } from "../../support/test-home.ts";

test("sets an entry, with a revision that grows", async () => {
  await using t = testHome();
  expect(await t.run(["ns", "register", "app", "--meta", '{"port": 8080}'])).toEqual({
    stdout: "app is registered, revision 1\n",
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["ns", "register", "--pack", "app", "--meta", '{"port":1}'])).value).toEqual({
    pack_id: "app",
    meta: { port: 1 },
    revision: 2,
    updated: expect.stringMatching(/Z$/),
  });
});

test("--if-revision changes only what was read", async () => {
  await using t = testHome();
  expect(await t.run(["ns", "register", "app", "--if-revision", "0"])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["ns", "register", "app", "--if-revision", "0"])).toEqual({
    stdout: "",
    stderr:
      'error[conflict]: cannot register "app": its revision is 1, not 0\nhint: read it again with aurora ns get app\n',
    exitCode: 8,
  });
});

test.each([
  ["{", /^error\[usage\]: cannot read --meta: it is not JSON/],
  ["[1]", /it is not a JSON object\nhint: write --meta '\{"key": "value"\}'\n$/],
  ["null", /it is not a JSON object/],
])("--meta %j is wrong usage", async (meta, stderr) => {
  await using t = testHome();
  const result = await t.run(["ns", "register", "app", "--meta", meta]);
  expect(result).toMatchObject({ stdout: "", exitCode: 2 });
  expect(result.stderr).toMatch(stderr);
});

test("names such as __proto__ in meta are ordinary, and meta has a limit", async () => {
  await using t = testHome();
  await t.run(["ns", "register", "app", "--meta", '{"__proto__":{"x":1},"constructor":2}']);
  expect((await t.run(["ns", "get", "app", "--json"])).stdout).toContain(
    '"meta":{"__proto__":{"x":1},"constructor":2}',
  );
  const meta = JSON.stringify({ a: "x".repeat(64 * 1024) });
  expect(await t.run(["ns", "register", "app", "--meta", meta])).toEqual({
    stdout: "",
    stderr: "error[too-large]: cannot register: --meta has more than 65536 bytes\n",
    exitCode: 1,
  });
});

test("20 at once: no update is lost", async () => {
  await using t = testHome();
  await t.run(["ns", "register", "app"]);
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      aurora(["ns", "register", "app", "--meta", `{"by":${i}}`, "--wait", "60s"], { home: t.home }),
    ),
  );
  expect(results.map(({ exitCode, stderr }) => `${exitCode}${stderr}`)).toEqual(
    Array.from({ length: 20 }, () => "0"),
  );
  expect((await t.json(["ns", "get", "app"])).value).toMatchObject({ revision: 21 });
});
