import { Database } from "bun:sqlite";
/** Rows of the registry that something else has damaged: they harm their own pack only, and everybody says which one it is. */
import { expect, test } from "bun:test";

import { auroraCommand } from "../support/aurora.ts";
import { eventually } from "../support/eventually.ts";
import { serviceHome, simplePack } from "./service-home.ts";

const DAMAGE = 'cannot read the stored manifest of "app": it is damaged';
const manifestOfNothing = '{"schema_version":"aurora-manifest-v1"}';

/** Two services that run; then their daemon dies, and a row of one is damaged. */
async function damagedHome(sql: string) {
  const t = serviceHome();
  for (const id of ["app", "other"]) t.write(simplePack({ id }));
  await t.run(["install", "app", "other"]);
  const before = await t.status();
  await t.crashDaemon();
  using database = new Database(`${t.home}/state.db`);
  database.run(sql);
  return { ...t, before };
}

async function withDaemon(t: Awaited<ReturnType<typeof damagedHome>>): Promise<void> {
  Bun.spawn([...auroraCommand, "daemon", "--home", t.home], { stdio: ["ignore", "ignore", "ignore"] });
  await eventually("a daemon", async () =>
    (await t.run(["daemon", "status"])).exitCode === 0 ? true : undefined,
  );
}

test.each([
  ["trees", `'${manifestOfNothing}'`],
  ["packs", `'${manifestOfNothing}'`],
  ["packs", "json_set(manifest, '$.pack.permissions', json('[]'))"],
])("a manifest that is damaged in %s keeps no other pack down, and is told: %s", async (table, damaged) => {
  await using t = await damagedHome(`UPDATE ${table} SET manifest = ${damaged} WHERE pack_id = 'app'`);
  await withDaemon(t);
  // What runs, runs on; others are there as ever.
  expect(await t.status()).toMatchObject({ state: "running", pid: t.before.pid, restarts: 0 });
  expect(await t.run(["restart", "other"])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["verify", "app"])).toMatchObject({
    stdout: "app 1.0.0  damaged\n  its manifest in the registry is damaged: aurora recover puts it back\n",
    exitCode: 7,
  });
  expect(await t.run(["doctor"])).toMatchObject({
    stdout: expect.stringContaining(`bad  registry       ${DAMAGE}`),
    exitCode: 1,
  });
  expect((await t.json(["why", "app"])).value).toMatchObject({
    cause: expect.stringContaining(DAMAGE),
    next: "aurora recover",
  });
});

test("a service whose manifest is damaged is not started, says so, and is started when the manifest was put back", async () => {
  await using t = await damagedHome("UPDATE trees SET manifest = '{' WHERE pack_id = 'app'");
  process.kill(t.before.pid as number, "SIGKILL");
  await withDaemon(t);
  expect(await t.status()).toMatchObject({ state: "failed", pid: null });
  expect(await t.status("other")).toMatchObject({ state: "running" });
  expect(await t.run(["start", "app"])).toEqual({
    stdout: "",
    stderr: `error[state-invalid]: ${DAMAGE}\nhint: aurora recover puts it back from the store\n`,
    exitCode: 7,
  });
  expect(await t.run(["status", "app"])).toMatchObject({ exitCode: 3 });
  expect((await t.run(["events", "app"])).stdout).toContain(`app  failed  reason=${DAMAGE}`);
  expect((await t.json(["why", "app"])).value).toMatchObject({
    state: "failed",
    cause: expect.stringContaining(`its service failed and is not started again: ${DAMAGE}`),
  });
  expect(await t.run(["recover"])).toEqual({
    stdout: "the manifest of app is put back from the store\n",
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["start", "app"])).toMatchObject({ exitCode: 0 });
  expect(await t.status()).toMatchObject({ state: "running" });
  expect(await t.run(["verify"])).toMatchObject({ exitCode: 0 });
});

test.each([
  ["the environment", "UPDATE service_environments SET environment = '{' WHERE pack_id = 'app'"],
  ["the confinement", "UPDATE service_confinement SET summary = '{' WHERE pack_id = 'app'"],
  ["the processes", "UPDATE services SET processes = '{' WHERE pack_id = 'app'"],
])("where %s is damaged the service runs on, and is shown", async (_name, sql) => {
  await using t = await damagedHome(sql);
  expect(await t.status()).toMatchObject({ state: "running", pid: t.before.pid });
  await withDaemon(t);
  expect(await t.status()).toMatchObject({ state: "running", pid: t.before.pid });
  expect(await t.run(["stop", "app"])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["start", "app"])).toMatchObject({ exitCode: 0 });
});

test("how a service is, where the registry did not take it, is written with the next change of another one", async () => {
  await using t = serviceHome();
  for (const id of ["app", "other"]) t.write(simplePack({ id, service: ", restart: no" }));
  await t.run(["install", "app", "other"]);
  const before = await t.status();
  await t.crashDaemon();
  await using daemon = Bun.spawn([...auroraCommand, "daemon", "--home", t.home], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  await eventually("a daemon", async () =>
    (await t.run(["daemon", "status"])).exitCode === 0 ? true : undefined,
  );
  using database = new Database(`${t.home}/state.db`);
  database.run(
    "CREATE TRIGGER refuse BEFORE UPDATE ON services WHEN new.pack_id = 'app' BEGIN SELECT RAISE(ABORT, 'refused'); END",
  );
  process.kill(before.pid as number, "SIGKILL");
  let said = "";
  for await (const chunk of daemon.stderr) {
    said += Buffer.from(chunk).toString();
    if (said.includes("cannot note how the services are: ")) break;
  }
  expect(said).toContain("refused");
  database.run("DROP TRIGGER refuse");
  expect(await t.run(["restart", "other"])).toMatchObject({ exitCode: 0 });
  expect(await t.events()).toContain("failed");
  expect(await t.status()).toMatchObject({ state: "failed", pid: null });
});
