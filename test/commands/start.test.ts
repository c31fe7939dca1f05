import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { hasEnded, testHome } from "../support/test-home.ts";

test("starts packs, dependencies first; what runs is left alone", async () => {
  await using t = testHome();
  const start = `echo "$AURORA_PACK_ID" >> '${t.shared}/order'; sleep 300 & echo $! > data/pid`;
  const permissions = `  permissions: { write: ["${t.shared}"] }`;
  t.write({ id: "zbase", start, manifest: permissions });
  t.write({
    id: "app",
    start,
    manifest: `${permissions}\n  dependencies: [{ pack_id: zbase, version_constraint: "*" }]`,
  });
  await t.run(["install", "app", "--no-start", "--approve"]);
  expect(await t.run(["start", "app", "zbase"])).toEqual({
    stdout: "zbase is running (pid PID)\napp is running (pid PID)\n",
    stderr: "",
    exitCode: 0,
  });
  expect(readFileSync(`${t.shared}/order`, "utf8")).toBe("zbase\napp\n");
  expect(await t.run(["start", "app"])).toEqual({
    stdout: "app is already running (pid PID)\n",
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["start", "--pack", "app"])).value).toEqual([
    { pack_id: "app", state: "running", pid: expect.any(Number), changed: false },
  ]);
});

test("a start script that fails: exit 1, with what it printed, and nothing of it runs on", async () => {
  await using t = testHome();
  t.write({ id: "app", start: "sleep 300 & echo $! > data/pid; echo 'port is taken' >&2; exit 4" });
  await t.run(["install", "app", "--no-start"]);
  expect(await t.run(["start", "app"])).toEqual({
    stdout: "",
    stderr: `error[script-failed]: cannot start "app": its start script ended with exit code 4
  port is taken
hint: aurora logs app shows what it printed
`,
    exitCode: 1,
  });
  expect(hasEnded(Number(readFileSync(`${t.home}/data/app/pid`, "utf8")))).toBe(true);
  expect(await t.run(["status", "app"])).toMatchObject({
    stdout: expect.stringContaining("failed"),
    exitCode: 3,
  });
});

test("--wait-healthy returns when it is healthy, or exits 4", async () => {
  await using t = testHome();
  t.write({
    id: "app",
    start: "(sleep 0.2; touch data/ready; exec sleep 300) & echo $! > data/pid",
    health: "[ -e data/ready ]",
  });
  await t.run(["install", "app", "--no-start"]);
  expect(await t.run(["start", "app", "--wait-healthy"])).toMatchObject({ exitCode: 0 });
  expect((await t.json(["list"])).value).toMatchObject([{ health: "healthy" }]);
  await t.run(["stop", "app"]);
  t.write({ id: "sick", health: "exit 2", isSick: true });
  await t.run(["install", "sick", "--no-start"]);
  expect(await t.run(["start", "sick", "--wait-healthy"])).toMatchObject({ stdout: "", exitCode: 4 });
});

test("scripts get a closed input, their tree as the working directory, a session of their own", async () => {
  await using t = testHome();
  t.write({
    id: "app",
    start: `{ pwd; if read -r line; then echo "input: $line"; else echo "no input"; fi
ps -o sid= -p $$ | tr -d ' '; echo $$; ls data/ logs/ > /dev/null && echo links; [ -d "$AURORA_TMP_DIR" ] && echo tmp; } > data/out`,
    stop: null,
    health: null,
  });
  expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
  const [cwd, input, session, pid, ...rest] = readFileSync(`${t.home}/data/app/out`, "utf8")
    .trim()
    .split("\n");
  expect(cwd).toMatch(/\/home\/store\/[0-9a-f]{64}$/);
  expect(input).toBe("no input");
  expect(session).toBe(pid as string);
  expect(rest).toEqual(["links", "tmp"]);
});

test("a service type that needs the daemon is refused without one, before anything changes", async () => {
  await using t = testHome();
  t.write({ id: "app", manifest: "  service: { type: simple }" });
  expect(await t.run(["--no-daemon", "install", "app"])).toEqual({
    stdout: "",
    stderr: `error[failed]: cannot run "app": its service type is "simple", which needs the daemon, and --no-daemon forbids it
hint: leave out --no-daemon
`,
    exitCode: 1,
  });
  expect((await t.json(["status"])).value).toEqual([]);
});

test("what is not installed", async () => {
  await using t = testHome();
  expect(await t.run(["start", "nothing"])).toMatchObject({ stdout: "", exitCode: 5 });
  expect(await t.run(["start"])).toMatchObject({ stdout: "", exitCode: 2 });
});
