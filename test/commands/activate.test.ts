import { expect, test } from "bun:test";

import { testHome } from "../support/test-home.ts";

test("activate brings an earlier generation back, as a new one whose parent is what was live", async () => {
  await using t = testHome();
  for (const version of ["1.0.0", "2.0.0", "3.0.0"]) {
    t.write({ id: "app", name: version, version });
    await t.run(["install", `./packs/${version}`]);
  }
  expect(await t.run(["activate", "app", "--generation", "1"])).toEqual({
    stdout: "committed\napp 1.0.0, generation 4, healthy\n",
    stderr: "dry-run app\ninstall app\nstop app\nswitch app\nstart app\nhealth app\n",
    exitCode: 0,
  });
  expect((await t.json(["history", "app"])).value).toMatchObject([
    {},
    {},
    {},
    { generation: 4, parent: 3, version: "1.0.0", reason: "activate to generation 1" },
  ]);
  await t.run(["rollback", "app"]);
  expect((await t.json(["list"])).value).toMatchObject([{ version: "3.0.0", generation: 5 }]);
});

test("what is live already needs nothing", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  expect(await t.run(["activate", "--pack", "app", "--generation", "1"])).toMatchObject({
    stdout: "nothing changes\napp 1.0.0, generation 1, healthy\n",
    exitCode: 0,
  });
});

test("a pack that was removed comes back and starts, as with an install; one that was stopped stays so", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  t.write({ id: "app", name: "newer", version: "2.0.0" });
  await t.run(["install", "app"]);
  await t.run(["remove", "app"]);
  expect(await t.run(["activate", "app", "--generation", "1"])).toMatchObject({
    stdout: "committed\napp 1.0.0, generation 3, healthy\n",
    exitCode: 0,
  });
  expect((await t.json(["status", "app"])).value).toMatchObject([{ state: "running" }]);
  await t.run(["install", "./packs/newer"]);
  await t.run(["stop", "app"]);
  expect(await t.run(["activate", "app", "--generation", "1"])).toMatchObject({ exitCode: 0 });
  expect((await t.json(["status", "app"])).value).toMatchObject([{ version: "1.0.0", state: "stopped" }]);
});

test("wrong usage, and what does not exist", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  expect(await t.run(["activate", "app"])).toEqual({
    stdout: "",
    stderr:
      'error[usage]: "activate" needs --generation N\nhint: aurora history PACK shows the generations\n',
    exitCode: 2,
  });
  expect(await t.run(["activate", "app", "--generation", "7"])).toMatchObject({ stdout: "", exitCode: 5 });
  expect(await t.run(["activate", "ap", "--generation", "1"])).toMatchObject({ stdout: "", exitCode: 5 });
});

test("a damaged tree is never made live", async () => {
  await using t = testHome();
  for (const version of ["1.0.0", "2.0.0"]) {
    t.write({ id: "app", name: version, version });
    await t.run(["install", `./packs/${version}`]);
  }
  const [first] = (await t.json(["history", "app"])).value as { digest: string }[];
  const file = `${t.home}/store/${first?.digest.slice(7)}/start.sh`;
  Bun.spawnSync(["sh", "-c", `chmod u+w ${file} && echo evil >> ${file}`]);
  expect(await t.run(["activate", "app", "--generation", "1"])).toEqual({
    stdout: "",
    stderr: expect.stringMatching(
      /^error\[state-invalid\]: cannot activate "app": the stored tree of generation 1 is damaged\n {2}.*start\.sh.*\nhint: stage that version/,
    ),
    exitCode: 7,
  });
  expect(await t.run(["status", "app"])).toMatchObject({ exitCode: 0 });
});
