/** The kernel gives the number of a session again, once it is empty: then it is not the service's any more. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { identify, isAlive, type ProcessIdentity } from "../../src/process/tree.ts";
import { testHome } from "../support/test-home.ts";

type Home = ReturnType<typeof testHome>;

/** Somebody who has nothing to do with Aurora and leads a session. */
function stranger(): ProcessIdentity & Disposable {
  const child = Bun.spawn(["sleep", "300"], {
    env: {},
    stdio: ["ignore", "ignore", "ignore"],
    detached: true,
  });
  return { ...(identify(child.pid) as ProcessIdentity), [Symbol.dispose]: () => child.kill("SIGKILL") };
}

/** Gives the stranger's session the number that the last start of the pack had. */
function giveSession(t: Home, { pid }: ProcessIdentity): void {
  using database = new Database(`${t.home}/state.db`);
  database.run("UPDATE services SET session = ?", [pid]);
}

/** The process that the pack's start has left, as it wrote it down. */
const serviceOf = (t: Home) =>
  identify(Number(readFileSync(`${t.home}/data/app/pid`, "utf8"))) as ProcessIdentity;

async function installed(): Promise<Home> {
  const t = testHome();
  t.write({ id: "app" });
  expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
  return t;
}

async function ended(identity: ProcessIdentity): Promise<void> {
  process.kill(identity.pid, "SIGKILL");
  while (isAlive(identity)) await Bun.sleep(5);
}

test("a service that was stopped: the next start and the next upgrade leave the stranger alone", async () => {
  await using t = await installed();
  expect((await t.run(["stop", "app"])).exitCode).toBe(0);
  using other = stranger();
  giveSession(t, other);
  expect((await t.run(["start", "app"])).exitCode).toBe(0);
  expect((await t.run(["stop", "app"])).exitCode).toBe(0);
  giveSession(t, other);
  t.write({ id: "app", version: "2.0.0" });
  expect((await t.run(["install", "app"])).exitCode).toBe(0);
  expect(isAlive(other)).toBe(true);
});

test("a service that has ended: it has exited, and its stop leaves the stranger alone", async () => {
  await using t = await installed();
  await ended(serviceOf(t));
  using other = stranger();
  giveSession(t, other);
  expect((await t.json(["status", "app"])).value).toMatchObject([{ state: "exited", pid: null }]);
  expect((await t.run(["stop", "app"])).exitCode).toBe(0);
  expect(isAlive(other)).toBe(true);
});

test("who cleared its environment is of the service as long as somebody of the service is in the session", async () => {
  await using t = testHome();
  t.write({
    id: "app",
    start: "sleep 300 &\necho $! > data/pid\nenv -i sleep 300 &\necho $! > data/other",
    stop: null,
    health: null,
  });
  expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
  const other = identify(Number(readFileSync(`${t.home}/data/app/other`, "utf8"))) as ProcessIdentity;
  expect(isAlive(other)).toBe(true);
  expect((await t.run(["stop", "app"])).exitCode).toBe(0);
  expect([isAlive(other), isAlive(serviceOf(t) ?? other)]).toEqual([false, false]);
});
