import { expect, test } from "bun:test";

import { testHome } from "../support/test-home.ts";

test("what is confirmed in time is kept", async () => {
  await using t = testHome();
  t.write({ id: "app", name: "first", version: "0.9.0" });
  await t.run(["install", "./packs/first"]);
  t.write({ id: "app", manifest: "  data: { epoch: 2, reads_epochs: [1, 2] }" });
  expect(await t.run(["install", "app", "--confirm-within", "10m"])).toMatchObject({
    stdout: "live, but not confirmed\napp 1.0.0, generation 2, healthy\nkeep it with: aurora confirm app\n",
    exitCode: 0,
  });
  expect(await t.run(["why", "app"])).toMatchObject({
    stdout: expect.stringContaining("next: aurora confirm app\n"),
  });
  t.write({ id: "app", name: "next", version: "2.0.0" });
  // What goes back would find a generation of its number there already, and no command would ever get past that.
  for (const argv of [
    ["install", "./packs/next"],
    ["remove", "app"],
    ["remove", "app", "--purge"],
    ["rollback", "app"],
    ["activate", "app", "--generation", "1"],
  ]) {
    expect(await t.run(argv)).toEqual({
      stdout: "",
      stderr: `error[conflict]: cannot change "app": its last change is not confirmed yet
hint: aurora confirm app keeps it; without that it is rolled back by itself
`,
      exitCode: 8,
    });
  }
  expect(await t.run(["confirm", "app"])).toEqual({ stdout: "app is confirmed\n", stderr: "", exitCode: 0 });
  expect((await t.json(["history", "app"])).value).toMatchObject([
    { generation: 1, outcome: "committed" },
    { generation: 2, outcome: "committed" },
  ]);
});

test("what it would go back to is good for the packs that depend on it, and has what it depends on itself", async () => {
  await using t = testHome();
  t.write({ id: "base" });
  t.write({
    id: "app",
    name: "first",
    manifest: "  dependencies: [{ pack_id: base, version_constraint: ^1 }]",
  });
  t.write({ id: "app", name: "second", version: "2.0.0" });
  t.write({ id: "base", name: "other", version: "2.0.0" });
  for (const [id, constraint] of [
    ["new", "^2"],
    ["any", "*"],
  ] as const)
    t.write({ id, manifest: `  dependencies: [{ pack_id: app, version_constraint: "${constraint}" }]` });
  await t.run(["install", "base", "./packs/first"]);
  await t.run(["install", "./packs/second", "--confirm-within", "10m"]);

  const conflict = (what: string) => ({
    stdout: "",
    stderr: `error[conflict]: cannot change ${what}\nhint: aurora confirm app keeps it; without that it is rolled back by itself\n`,
    exitCode: 8,
  });
  const needed = '"base": what "app" may go back to depends on it';
  expect(await t.run(["install", "new"])).toEqual(conflict('"new": it depends on the last change of "app"'));
  expect(await t.run(["remove", "base"])).toEqual(conflict(needed));
  expect(await t.run(["install", "./packs/other"])).toEqual(conflict(needed));
  expect(await t.run(["install", "any"])).toMatchObject({ exitCode: 0 });
  await t.run(["confirm", "app"]);
  expect(await t.run(["install", "new"])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["remove", "base"])).toMatchObject({ exitCode: 0 });
});

test("what is not confirmed in time goes back by itself", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  t.write({ id: "app", name: "next", version: "2.0.0" });
  expect(await t.run(["install", "./packs/next", "--confirm-within", "300ms"])).toMatchObject({
    exitCode: 0,
  });
  // Nobody types anything: the process that install has left does it.
  expect(await t.run(["wait", "app", "--for", "healthy", "--timeout", "20s"])).toMatchObject({ exitCode: 0 });
  const history = async () => (await t.json(["history", "app"])).value as unknown[];
  while ((await history()).length < 2) await Bun.sleep(20);
  expect(await history()).toMatchObject([
    { outcome: "committed" },
    { generation: 2, outcome: "reverted", reason: "it was not confirmed in time" },
  ]);
  expect((await t.json(["list"])).value).toMatchObject([
    { version: "1.0.0", generation: 1, state: "running", health: "healthy" },
  ]);
});

test("nothing to confirm", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  expect(await t.run(["confirm", "app"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: there is nothing to confirm for "app"\n',
    exitCode: 5,
  });
  expect(await t.run(["install", "app", "--confirm-within", "soon"])).toMatchObject({ exitCode: 2 });
});
