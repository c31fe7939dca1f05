import { expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

import { eventually } from "../support/eventually.ts";
import { daemonPid, testHome } from "../support/test-home.ts";

test("returns as soon as it is so", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  expect(await t.run(["wait", "app", "--for", "healthy"])).toMatchObject({
    stdout: expect.stringContaining("running  healthy"),
    stderr: "",
    exitCode: 0,
  });
  const waiting = t.json(["wait", "app", "--for", "stopped"]);
  await t.run(["stop", "app"]);
  expect(await waiting).toMatchObject({ value: [{ pack_id: "app", state: "stopped" }], exitCode: 0 });
});

test("gives up with exit 124", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app", "--no-start"]);
  expect(await t.run(["wait", "app", "--for", "running", "--timeout", "50ms"])).toEqual({
    stdout: "",
    stderr:
      'error[timed-out]: not running within N ms: "app" is installed, its health unknown\nhint: aurora why app says more\n',
    exitCode: 124,
  });
});

test("a time of 0 looks once", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  expect(await t.run(["wait", "app", "--for", "running", "--timeout", "0"])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["wait", "app", "--for", "stopped", "--timeout", "0"])).toMatchObject({
    stderr:
      'error[timed-out]: not stopped now: "app" is running, its health healthy\nhint: aurora why app says more\n',
    exitCode: 124,
  });
});

test("a oneshot pack that nobody watches is looked at by whoever waits for its health", async () => {
  await using t = testHome();
  t.write({ id: "app", health: "echo look >> data/looks; test -e data/well" });
  await t.run(["install", "app", "--no-start"]);
  await t.run(["start", "app"]);
  const waiting = t.run(["wait", "app", "--for", "healthy", "--timeout", "30s"]);
  await eventually("a look", () => existsSync(`${t.home}/data/app/looks`) || undefined);
  writeFileSync(`${t.home}/data/app/well`, "");
  expect(await waiting).toMatchObject({
    stdout: expect.stringContaining("running  healthy"),
    stderr: "",
    exitCode: 0,
  });
  expect(daemonPid(t.home)).toBeUndefined();
  await t.run(["restart", "app"]);
  writeFileSync(`${t.home}/data/app/looks`, "");
  // A time of 0 looks at what is known.
  expect(await t.run(["wait", "app", "--for", "healthy", "--timeout", "0"])).toMatchObject({ exitCode: 124 });
  expect(readFileSync(`${t.home}/data/app/looks`, "utf8")).toBe("");
});

test("what has no health check is said never to get healthy", async () => {
  await using t = testHome();
  t.write({ id: "app", health: null });
  await t.run(["install", "app"]);
  expect(await t.run(["wait", "app", "--for", "healthy", "--timeout", "0"])).toMatchObject({
    stderr:
      'warning: "app" has no health check, so that it never gets healthy; --for running does not ask for one\n' +
      'error[timed-out]: not healthy now: "app" is running, its health unknown\nhint: aurora why app says more\n',
    exitCode: 124,
  });
});

test("wrong usage", async () => {
  await using t = testHome();
  expect(await t.run(["wait", "app"])).toMatchObject({
    stderr: 'error[usage]: "wait" needs --for healthy, running or stopped\n',
    exitCode: 2,
  });
  expect(await t.run(["wait", "app", "--for", "toString"])).toMatchObject({
    stderr: 'error[usage]: "wait" needs --for healthy, running or stopped, not "toString"\n',
    exitCode: 2,
  });
});
