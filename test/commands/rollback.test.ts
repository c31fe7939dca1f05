import { expect, test } from "bun:test";

import { testHome } from "../support/test-home.ts";

type Home = ReturnType<typeof testHome>;

async function install(t: Home, ...versions: string[]): Promise<void> {
  for (const version of versions) {
    t.write({ id: "app", name: version, version });
    expect(await t.run(["install", `./packs/${version}`])).toMatchObject({ exitCode: 0 });
  }
}

const liveVersion = async (t: Home) => ((await t.json(["list"])).value as { version: string }[])[0]?.version;

test("rollback goes to what was live before, and twice goes two steps back", async () => {
  await using t = testHome();
  await install(t, "1.0.0", "2.0.0", "3.0.0");
  expect(await t.run(["rollback", "app"])).toEqual({
    stdout: "committed\napp 2.0.0, generation 4, healthy\n",
    stderr: "dry-run app\ninstall app\nstop app\nswitch app\nstart app\nhealth app\n",
    exitCode: 0,
  });
  expect(await t.run(["rollback", "app"])).toMatchObject({
    stdout: "committed\napp 1.0.0, generation 5, healthy\n",
    exitCode: 0,
  });
  expect(await t.run(["rollback", "app"])).toEqual({
    stdout: "",
    stderr: `error[not-found]: cannot roll back "app": nothing was live before generation 5
hint: aurora history app shows its generations
`,
    exitCode: 5,
  });
});

test("by the record, not to number minus one: a failed generation in between is never chosen", async () => {
  await using t = testHome();
  await install(t, "1.0.0", "2.0.0");
  t.write({ id: "app", name: "sick", version: "2.5.0", health: "exit 1" });
  expect(await t.run(["install", "./packs/sick"])).toMatchObject({ exitCode: 4 });
  await install(t, "3.0.0");
  expect(await t.run(["rollback", "app"])).toMatchObject({ exitCode: 0 });
  expect(await liveVersion(t)).toBe("2.0.0");
});

test("after a rollback and another upgrade it goes back to what was live, over the detour", async () => {
  await using t = testHome();
  await install(t, "1.0.0", "2.0.0");
  await t.run(["rollback", "app", "--to", "1"]);
  await install(t, "3.0.0");
  await t.run(["rollback", "app"]);
  expect(await liveVersion(t)).toBe("1.0.0");
});

test("--to a generation that was not good, or does not exist", async () => {
  await using t = testHome();
  await install(t, "1.0.0");
  t.write({ id: "app", name: "sick", version: "2.0.0", health: "exit 1" });
  await t.run(["install", "./packs/sick"]);
  expect(await t.run(["rollback", "app", "--to", "2"])).toEqual({
    stdout: "",
    stderr: `error[quarantined]: cannot roll back "app" to generation 2: it failed: app: it is not healthy: its health check ended with exit code 1
hint: aurora history app shows which ones were good
`,
    exitCode: 8,
  });
  expect(await t.run(["rollback", "app", "--to", "9"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: "app" has no generation 9\nhint: aurora history app shows its generations\n',
    exitCode: 5,
  });
  expect(await t.run(["rollback", "app", "--to", "1.0"])).toMatchObject({ exitCode: 2 });
});

test("a stopped pack stays stopped, and approval is asked for as for an install", async () => {
  await using t = testHome();
  t.write({ id: "app", name: "1", version: "1.0.0", approval: true });
  t.write({ id: "app", name: "2", version: "2.0.0" });
  await t.run(["install", "./packs/1", "--approve"]);
  await t.run(["install", "./packs/2"]);
  await t.run(["stop", "app"]);
  expect(await t.run(["rollback", "app"])).toMatchObject({ stdout: "", exitCode: 6 });
  expect(await t.run(["rollback", "app", "--approve"])).toMatchObject({
    stdout: "committed\napp 1.0.0, generation 3\n",
    exitCode: 0,
  });
  expect(await t.run(["status", "app"])).toMatchObject({ exitCode: 3 });
});

test("what is not installed cannot be rolled back", async () => {
  await using t = testHome();
  expect(await t.run(["rollback", "nothing"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: "nothing" is not installed\nhint: aurora list shows what is\n',
    exitCode: 5,
  });
});

test("data: an epoch that the old version does not read is refused before the switch", async () => {
  await using t = testHome();
  t.write({ id: "app", name: "1", version: "1.0.0" });
  t.write({ id: "app", name: "2", version: "2.0.0", manifest: "  data: { epoch: 2, reads_epochs: [1, 2] }" });
  await t.run(["install", "./packs/1"]);
  await t.run(["install", "./packs/2"]);
  expect(await t.run(["rollback", "app"])).toEqual({
    stdout: "",
    stderr: `error[epoch-conflict]: cannot activate "app" 1.0.0: its data is in epoch 2, and it reads 1
hint: add 2 to data.reads_epochs once the pack can read it
`,
    exitCode: 8,
  });
  expect(await liveVersion(t)).toBe("2.0.0");
});

test("data: with a snapshot, a failed upgrade leaves the data as it was", async () => {
  await using t = testHome();
  t.write({ id: "app", name: "1", version: "1.0.0" });
  await t.run(["install", "./packs/1"]);
  await Bun.write(`${t.home}/data/app/db`, "old format");
  t.write({
    id: "app",
    name: "2",
    version: "2.0.0",
    manifest: "  data: { snapshot: true }",
    start: "echo new > data/db; echo more > data/extra; sleep 300 & echo $! > data/pid",
    health: "exit 1",
  });
  expect(await t.run(["install", "./packs/2"])).toMatchObject({
    stderr: "dry-run app\ninstall app\nstop app\nsnapshot app\nswitch app\nstart app\nhealth app\n",
    exitCode: 4,
  });
  expect(await Bun.file(`${t.home}/data/app/db`).text()).toBe("old format");
  expect(await Bun.file(`${t.home}/data/app/extra`).exists()).toBe(false);
  expect(Bun.spawnSync(["find", `${t.home}/snapshots`, "-mindepth", "2"]).stdout.toString()).toBe("");
});
