import { expect, test } from "bun:test";

import { testHome } from "../support/test-home.ts";

test("all about one pack; of its variables only the names", async () => {
  await using t = testHome();
  t.write({ id: "base", start: null, stop: null, health: null, install: null });
  t.write({
    id: "app",
    manifest: '  description: Shows things\n  dependencies: [{ pack_id: base, version_constraint: "^1" }]',
  });
  await t.run(["env", "set", "app", "TOKEN=secret"]);
  await t.run(["install", "app"]);
  const { stdout, stderr, exitCode } = await t.run(["show", "app"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(stdout.replace(/\d+ B\n/, "N B\n")).toBe(`pack        app  Test pack app
version     1.0.0
about       Shows things
generation  1
digest      DIGEST
size        5 files, N B
running     yes, healthy
tree        DIR/home/live/app
data        DIR/home/data/app
logs        DIR/home/logs/app
scripts     install: install.sh, start: start.sh, stop: stop.sh, health: health.sh
needs       base ^1
variables   TOKEN
`);
  const { value } = await t.json(["show", "app"]);
  expect(value).toMatchObject({
    pack_id: "app",
    generation: 1,
    running: true,
    environment: ["TOKEN"],
    manifest: { pack: { id: "app" } },
  });
  expect(JSON.stringify(value)).not.toContain("secret");
});

test("a staged pack, and one that nobody knows", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["stage", "app"]);
  expect((await t.run(["show", "app"])).stdout).toContain("generation  not installed\n");
  expect(await t.run(["show", "ap"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: the pack "ap" is neither installed nor staged\nhint: did you mean "app"?\n',
    exitCode: 5,
  });
});
