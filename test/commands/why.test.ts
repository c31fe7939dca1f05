import { expect, test } from "bun:test";
import { existsSync } from "node:fs";

import { auroraCommand } from "../support/aurora.ts";
import { eventually } from "../support/eventually.ts";
import { testHome } from "../support/test-home.ts";

const firstLines = (text: string) => text.split("\n").slice(0, 2).join("\n");
const lastLine = (text: string) => text.trimEnd().split("\n").at(-1);

test("a rolled-back upgrade: what failed, what it printed, what was undone, what to type", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  t.write({ id: "app", name: "sick", version: "2.0.0", health: 'echo "no pulse" >&2; exit 3', isSick: true });
  await t.run(["install", "./packs/sick"]);
  const { stdout, stderr, exitCode } = await t.run(["why", "app"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(stdout.replaceAll(/, N ms/g, "")).toBe(`app: rolled-back
the last install was rolled back: app: it is not healthy: its health check ended with exit code 3
  TIME  install app, exit code 0
      install --install
  TIME  stop app
  TIME  switch app
  TIME  start app, exit code 0
  TIME  health app, exit code 3
      no pulse
      it is not healthy: its health check ended with exit code 3
  TIME  undo health app
  TIME  undo start app
  TIME  undo switch app
  TIME  undo stop app, exit code 0
  TIME  undo install app
next: aurora status app
`);
});

test("what has become of the old version since an upgrade was rolled back is told as well", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  t.write({ id: "app", name: "sick", version: "2.0.0", health: "exit 3", isSick: true });
  await t.run(["install", "./packs/sick"]);
  Bun.spawnSync(["sh", "-c", `kill -9 $(cat ${t.home}/data/app/pid)`]);
  expect(await t.run(["wait", "app", "--for", "stopped", "--timeout", "10"])).toMatchObject({ exitCode: 0 });
  const { stdout } = await t.run(["why", "app"]);
  expect(firstLines(stdout)).toBe(`app: exited
the last install was rolled back: app: it is not healthy: its health check ended with exit code 3. Version 1.0.0 is live, but all processes that its start left running are gone`);
  expect(lastLine(stdout)).toBe("next: aurora logs app, then aurora start app");
});

test("each state has its cause and its next step", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["stage", "app"]);
  expect((await t.run(["why", "app"])).stdout).toBe(
    "app: staged\nversion 1.0.0 was staged and never installed\nnext: aurora install app\n",
  );

  await t.run(["install", "app", "--no-start"]);
  let { stdout } = await t.run(["why", "app"]);
  expect(firstLines(stdout)).toBe(
    "app: installed\nversion 1.0.0 is live since the install of TIME, and was not started",
  );
  expect(lastLine(stdout)).toBe("next: aurora start app");

  await t.run(["start", "app"]);
  expect(firstLines((await t.run(["why", "app"])).stdout)).toBe(
    "app: running\nversion 1.0.0 is live since the install of TIME; last event: started at TIME",
  );

  Bun.spawnSync(["sh", "-c", `kill -9 $(cat ${t.home}/data/app/pid)`]);
  expect(await t.run(["wait", "app", "--for", "stopped", "--timeout", "10"])).toMatchObject({ exitCode: 0 });
  ({ stdout } = await t.run(["why", "app"]));
  expect(firstLines(stdout)).toBe(
    "app: exited\nversion 1.0.0 is live since the install of TIME, but all processes that its start left running are gone",
  );
  expect(lastLine(stdout)).toBe("next: aurora logs app, then aurora start app");

  await t.run(["stop", "app"]);
  expect(firstLines((await t.run(["why", "app"])).stdout)).toBe(
    "app: stopped\nversion 1.0.0 is live since the install of TIME; it was stopped at TIME",
  );

  await t.run(["remove", "app"]);
  expect(firstLines((await t.run(["why", "app"])).stdout)).toBe("app: removed\nit was removed at TIME");
});

test("a rollback that cannot bring the old one back is stuck: exit 10, and why says what to do", async () => {
  await using t = testHome();
  // The first start works, every later one does not.
  t.write({
    id: "app",
    start: "[ ! -e data/once ] || exit 1; touch data/once; sleep 300 & echo $! > data/pid",
  });
  await t.run(["install", "app"]);
  t.write({ id: "app", name: "sick", version: "2.0.0", health: "exit 1", isSick: true });
  const { stdout, exitCode } = await t.run(["install", "./packs/sick"]);
  expect({ stdout, exitCode }).toEqual({
    stdout:
      "stuck: app: it is not healthy: its health check ended with exit code 1\nwhat to do: aurora why app\n",
    exitCode: 10,
  });
  const why = await t.run(["why", "app"]);
  expect(why.stdout).toStartWith("app: stuck\nthe last install failed");
  expect(lastLine(why.stdout)).toBe(
    "next: aurora logs app, then aurora start app, or install a version that works",
  );
  expect((await t.json(["list"])).value).toMatchObject([
    { version: "1.0.0", generation: 1, state: "failed" },
  ]);
});

test.each([
  ["SIGINT", "app: stopped by SIGINT"],
  ["SIGKILL", "it was interrupted by a crash"],
] as const)("an install that %s has interrupted: there is nothing to mend", async (signal, reason) => {
  await using t = testHome();
  t.write({ id: "app", start: "touch data/started; sleep 300", stop: null });
  const child = Bun.spawn([...auroraCommand, "install", "app", "--home", t.home], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent", AURORA_PACKS: t.packs },
    stdio: ["ignore", "ignore", "ignore"],
  });
  await eventually("its start", () => existsSync(`${t.home}/data/app/started`) || undefined);
  child.kill(signal);
  await child.exited;
  const { stdout } = await t.run(["why", "app"]);
  expect(firstLines(stdout)).toBe(`app: rolled-back\nthe last install was rolled back: ${reason}`);
  expect(lastLine(stdout)).toBe("next: aurora install app");
});

test("what installs a pack is named as it can be typed here", async () => {
  await using t = testHome();
  t.write({ id: "app", name: "elsewhere", start: "exit 3" });
  expect(await t.run(["install", "./packs/elsewhere"])).toMatchObject({ exitCode: 4 });
  const next = async () => lastLine((await t.run(["why", "app"])).stdout);
  expect(await next()).toBe("next: mend the pack, then aurora install SRC");
  t.write({ id: "app", name: "../app" });
  expect(await next()).toBe("next: mend the pack, then aurora install ./app");
  t.write({ id: "app" });
  expect(await next()).toBe("next: mend the pack, then aurora install app");
});

test("--json, and a pack that nobody knows", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  expect((await t.json(["why", "app"])).value).toEqual({
    pack_id: "app",
    state: "running",
    cause: expect.any(String),
    transaction: expect.any(String),
    denied: [],
    steps: expect.arrayContaining([
      { name: "start app", rc: 0, at: expect.any(String), duration_ms: expect.any(Number), output_tail: "" },
    ]),
    next: "aurora status app",
  });
  expect(await t.run(["why", "nobody"])).toMatchObject({ stdout: "", exitCode: 5 });
});

test("what a pack has printed does not steer the terminal", async () => {
  await using t = testHome();
  const noise = String.raw`printf '\033[31mred\033[0m\n\033]0;title\007a\tb\n'`;
  t.write({ id: "app", health: `${noise}; exit 1`, isSick: true });
  expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 4 });
  const { stdout } = await t.run(["why", "app"]);
  expect(stdout).toContain("\n      red\n      ·]0;title·a\tb\n");
  const { value } = await t.json(["why", "app"]);
  expect(JSON.stringify(value)).toContain(String.raw`\u001b[31mred`);
  t.write({ id: "app", version: "2.0.0", health: `[ ! -e data/bad ] || { ${noise}; exit 1; }` });
  await t.run(["install", "app"]);
  await t.run(["vfs", "write", "app", "bad"], { stdin: "" });
  expect((await t.run(["health", "app"])).stdout).toEndWith("\n    red\n    ·]0;title·a\tb\n");
});
