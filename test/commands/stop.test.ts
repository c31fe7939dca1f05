import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { hasEnded, testHome } from "../support/test-home.ts";

const pidOf = (home: string, file = "pid") => Number(readFileSync(`${home}/data/app/${file}`, "utf8"));

test("stops, and stopping what is stopped succeeds", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  expect(await t.run(["stop", "app"])).toEqual({ stdout: "app is stopped\n", stderr: "", exitCode: 0 });
  expect(hasEnded(pidOf(t.home))).toBe(true);
  expect(await t.run(["stop", "app"])).toEqual({
    stdout: "app is already stopped\n",
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["stop", "app"])).value).toEqual([
    { pack_id: "app", state: "stopped", pid: null, changed: false },
  ]);
});

test.each([
  [
    "that fails",
    "exit 9",
    30,
    'warning: the stop script of "app" ended with exit code 9; its processes are stopped all the same\n',
  ],
  [
    "that hangs",
    "sleep 300",
    0.5,
    'warning: the stop script of "app" did not end in time; its processes are stopped all the same\n',
  ],
  ["that does nothing", "true", 30, ""],
  ["that is missing", null, 30, ""],
])(
  "a stop script %s: everything that the start left is ended all the same",
  async (_name, stop, seconds, stderr) => {
    await using t = testHome();
    t.write({
      id: "app",
      stop,
      // One in the group, and one that has left group, session and environment behind.
      start:
        "sleep 300 & echo $! > data/pid; setsid sh -c 'sleep 300 & echo $! > data/far' < /dev/null > /dev/null 2>&1 & while ! [ -s data/far ]; do sleep 0.01; done",
      manifest: `  service: { stop_timeout_seconds: ${seconds} }`,
    });
    await t.run(["install", "app"]);
    const pids = [pidOf(t.home), pidOf(t.home, "far")];
    expect(pids.map(hasEnded)).toEqual([false, false]);
    expect(await t.run(["stop", "app"])).toEqual({ stdout: "app is stopped\n", stderr, exitCode: 0 });
    expect(pids.map(hasEnded)).toEqual([true, true]);
  },
);

test("what ignores the signal is killed", async () => {
  await using t = testHome();
  t.write({
    id: "app",
    stop: null,
    start: `sh -c 'trap "" TERM; echo $$ > data/pid; while :; do sleep 0.1; done' & while ! [ -s data/pid ]; do sleep 0.01; done`,
    manifest: "  service: { stop_timeout_seconds: 0.3 }",
  });
  await t.run(["install", "app"]);
  expect(await t.run(["stop", "app"])).toMatchObject({ exitCode: 0 });
  expect(hasEnded(pidOf(t.home))).toBe(true);
});

test("dependents stop first", async () => {
  await using t = testHome();
  const stop = `echo "$AURORA_PACK_ID" >> '${t.shared}/order'`;
  const permissions = `  permissions: { write: ["${t.shared}"] }`;
  t.write({ id: "base", stop, manifest: permissions });
  t.write({
    id: "app",
    stop,
    manifest: `${permissions}\n  dependencies: [{ pack_id: base, version_constraint: "*" }]`,
  });
  await t.run(["install", "app", "--approve"]);
  await t.run(["stop", "base", "app"]);
  expect(readFileSync(`${t.shared}/order`, "utf8")).toBe("app\nbase\n");
});
