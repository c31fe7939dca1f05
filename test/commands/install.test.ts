import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync, utimesSync, writeFileSync } from "node:fs";

import { FREE_SPACE_RESERVE_BYTES } from "../../src/lifecycle/prepare.ts";
import { auroraCommand } from "../support/aurora.ts";
import { daemonPid, hasEnded, testHome } from "../support/test-home.ts";

test("a fresh install: dry run, switch, start, health, commit", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  expect(await t.run(["install", "app"])).toEqual({
    stdout: "committed\napp 1.0.0, generation 1, healthy\n",
    stderr: "dry-run app\ninstall app\nswitch app\nstart app\nhealth app\n",
    exitCode: 0,
  });
  expect(readlinkSync(`${t.home}/live/app`)).toMatch(/^\.\.\/store\/[0-9a-f]{64}$/);
});

test("--json and --quiet", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  const { value, stderr, exitCode } = await t.json(["install", "app", "--quiet"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(value).toEqual({
    transaction: expect.stringMatching(/^[0-9a-f-]{36}$/),
    state: "committed",
    reason: null,
    changed: true,
    packs: [
      {
        pack_id: "app",
        version: "1.0.0",
        generation: 1,
        digest: expect.stringMatching(/^sha256:/),
        health: "healthy",
      },
    ],
  });
});

test("the same digest again: nothing changes, and no generation is spent", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  expect(await t.run(["install", "app"])).toEqual({
    stdout: "nothing changes\napp 1.0.0, generation 1, healthy\n",
    stderr: "",
    exitCode: 0,
  });
});

describe("approval", () => {
  test("without a terminal it is needed, and nothing was changed", async () => {
    await using t = testHome();
    t.write({ id: "app", approval: true });
    expect(await t.run(["install", "app"])).toEqual({
      stdout: "",
      stderr: `dry-run app
error[approval-required]: this plan needs an operator's approval
  plan DIGEST
hint: review it with aurora plan, then add --approve=DIGEST
`,
      exitCode: 6,
    });
    expect(existsSync(`${t.home}/live/app`)).toBe(false);
  });

  test("an empty digest, as of a variable that is not set, approves nothing", async () => {
    await using t = testHome();
    t.write({ id: "app", approval: true });
    expect(await t.run(["install", "app", "--approve="])).toEqual({
      stdout: "",
      stderr:
        "error[usage]: option --approve= has no value <PLAN_DIGEST>\nhint: write --approve where none is meant\n",
      exitCode: 2,
    });
    expect(existsSync(t.home)).toBe(false);
    // Who forgets the = has named a source.
    expect(await t.run(["install", "app", "--approve", "sha256:1"])).toMatchObject({
      stderr: expect.stringContaining(
        "\nhint: a plan's digest stands behind an equals sign: --approve=sha256:1\n",
      ),
      exitCode: 5,
    });
  });

  test("by the digest of the plan that was reviewed, and of no other", async () => {
    await using t = testHome();
    t.write({ id: "app", approval: true });
    const { plan_digest } = (await t.json(["plan", "app"])).value as { plan_digest: string };
    expect(await t.run(["install", "app", `--approve=sha256:${"0".repeat(64)}`])).toMatchObject({
      stdout: "",
      stderr: expect.stringContaining(
        "error[approval-refused]: the approved plan is DIGEST, but this one is DIGEST\n",
      ),
      exitCode: 6,
    });
    t.write({ id: "app", approval: true, files: { more: "1" } });
    expect(await t.run(["install", "app", `--approve=${plan_digest}`])).toMatchObject({
      stdout: "",
      exitCode: 6,
    });
    t.write({ id: "app", name: "again", approval: true });
    expect(await t.run(["install", "./packs/again", `--approve=${plan_digest}`])).toMatchObject({
      exitCode: 0,
    });
  });

  test("who approved which plan is recorded", async () => {
    await using t = testHome();
    t.write({ id: "app", approval: true });
    await t.run(["install", "app", "--approve"]);
    const row = Bun.spawnSync([
      "python3",
      "-c",
      `import sqlite3; print(sqlite3.connect("${t.home}/state.db").execute("select approved_by, length(plan_digest), approved_at is not null from transactions").fetchall())`,
    ]);
    expect(row.stdout.toString()).toMatch(/^\[\('\w+', 71, 1\)\]\n$/);
  });

  test.each([
    ["APPROVE", "committed", 0],
    ["approve", "refused", 6],
    ["", "refused", 6],
  ])("on a terminal the word %j: %s", async (word, state, exitCode) => {
    await using t = testHome();
    t.write({ id: "app", approval: true });
    const command = `${auroraCommand.join(" ")} install app --home ${t.home}`;
    const child = Bun.spawn(["script", "-qec", command, "/dev/null"], {
      env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent", AURORA_PACKS: t.packs, TERM: "dumb" },
      stdin: "pipe",
      stdout: "pipe",
    });
    let shown = "";
    for await (const chunk of child.stdout) {
      const before = shown;
      shown += new TextDecoder().decode(chunk);
      if (shown.includes("Type APPROVE to go on: ") && !before.includes("Type APPROVE to go on: "))
        child.stdin.write(`${word}\n`);
    }
    expect(shown).toContain("This will be done:\r\n  install app 1.0.0\r\n");
    expect(shown).toContain(state);
    expect(await child.exited).toBe(exitCode);
    expect(existsSync(`${t.home}/live/app`)).toBe(state === "committed");
  });

  test("--no-input never asks", async () => {
    await using t = testHome();
    t.write({ id: "app", approval: true });
    const command = `${auroraCommand.join(" ")} install app --no-input --home ${t.home}`;
    const child = Bun.spawnSync(["script", "-qec", command, "/dev/null"], {
      env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent", AURORA_PACKS: t.packs, TERM: "dumb" },
    });
    expect(child.stdout.toString()).toContain("error[approval-required]");
    expect(child.exitCode).toBe(6);
  });
});

test.each([
  ["an approval", { approval: true }, "error[approval-required]", 6],
  ["a variable", { manifest: "  env: { required: [TOKEN] }" }, "error[environment-missing]", 8],
])("what waits for %s is staged", async (_, pack, message, exitCode) => {
  await using t = testHome();
  t.write({ id: "app", install: null, ...pack });
  expect(await t.run(["install", "app"])).toMatchObject({
    stdout: "",
    stderr: expect.stringContaining(message),
    exitCode,
  });
  expect((await t.json(["list"])).value).toMatchObject([{ pack_id: "app", state: "staged" }]);
  expect((await t.json(["events", "app"])).value).toMatchObject([{ kind: "staged" }]);
});

describe("what fails is undone", () => {
  test("a failed health gate: the old generation is live, running and checked; exit 4", async () => {
    await using t = testHome();
    t.write({ id: "app" });
    await t.run(["install", "app"]);
    t.write({
      id: "app",
      name: "sick",
      version: "2.0.0",
      health: 'echo "no pulse" >&2; exit 3',
      isSick: true,
    });
    expect(await t.run(["install", "./packs/sick"])).toEqual({
      stdout: `rolled back: app: it is not healthy: its health check ended with exit code 3
app 1.0.0, generation 1, healthy
more: aurora why app
`,
      stderr: "dry-run app\ninstall app\nstop app\nswitch app\nstart app\nhealth app\n",
      exitCode: 4,
    });
    expect(await t.run(["status", "app"])).toMatchObject({
      stdout: expect.stringContaining("app   1.0.0    1           running  healthy"),
      exitCode: 0,
    });
    expect(await t.run(["health", "app"])).toMatchObject({ exitCode: 0 });
  });

  test("a check that hangs is ended at the deadline, and the message says what was missed", async () => {
    await using t = testHome();
    t.write({ id: "app", health: "sleep 300", isSick: true });
    expect(await t.run(["install", "app"])).toMatchObject({
      stdout:
        "rolled back: app: it is not healthy: its health check did not reach a pass within N ms\nmore: aurora why app\n",
      exitCode: 4,
    });
  });

  test("its digest is quarantined, and taken again only with --retry", async () => {
    await using t = testHome();
    t.write({ id: "app", health: "exit 3", isSick: true });
    await t.run(["install", "app"]);
    expect(await t.run(["install", "app"])).toEqual({
      stdout: "",
      stderr: `error[quarantined]: cannot install "app": this very content failed on TIME: app: it is not healthy: its health check ended with exit code 3
hint: change the pack, or try it again with --retry
`,
      exitCode: 8,
    });
    expect(await t.run(["install", "app", "--retry"])).toMatchObject({ exitCode: 4 });
  });

  test.each([
    [
      "install",
      { install: '[ "$1" = --dry-run ] || exit 7' },
      "app: its install script ended with exit code 7",
    ],
    ["start", { start: "echo broken >&2; exit 9" }, "app: its start script ended with exit code 9"],
  ])("a failed %s script", async (_name, broken, reason) => {
    await using t = testHome();
    t.write({ id: "app", ...broken });
    const { value, exitCode } = await t.json(["install", "app"]);
    expect(exitCode).toBe(4);
    expect(value).toMatchObject({
      state: "rolled-back",
      reason,
      changed: false,
      packs: [{ generation: null }],
    });
    expect(existsSync(`${t.home}/live/app`)).toBe(false);
    expect(await t.run(["list"])).toMatchObject({ stdout: "no packs\n" });
    // It is no evidence against the health of the pack, so it may be tried again at once.
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 4 });
  });

  test("a failed dry run: nothing was begun, exit 1", async () => {
    await using t = testHome();
    t.write({ id: "app", install: "echo 'disk is odd' >&2; exit 5" });
    expect(await t.run(["install", "app"])).toEqual({
      stdout: "",
      stderr: `dry-run app
error[script-failed]: the dry run of "app" ended with exit code 5; nothing was changed
  disk is odd
hint: aurora dry-run DIR/packs/app shows all of it
`,
      exitCode: 1,
    });
    expect(await t.run(["history", "app"])).toMatchObject({ exitCode: 5 });
  });

  test("of a set, all or nothing", async () => {
    await using t = testHome();
    t.write({ id: "a" });
    t.write({
      id: "b",
      health: "exit 1",
      isSick: true,
      manifest: '  dependencies: [{ pack_id: a, version_constraint: "*" }]',
    });
    expect(await t.json(["install", "b"])).toMatchObject({ exitCode: 4, value: { state: "rolled-back" } });
    expect(await t.run(["status"])).toMatchObject({ stdout: "nothing is installed\n" });
    expect(existsSync(`${t.home}/live/a`)).toBe(false);
    t.write({ id: "c", manifest: '  dependencies: [{ pack_id: b, version_constraint: "*" }]' });
    expect((await t.run(["install", "c", "--retry"])).stdout).toEndWith("more: aurora why b\n");
  });

  test("what its script wrote to the namespace registry and to its variables is as it was before", async () => {
    await using t = testHome();
    await t.run(["ns", "register", "app", "--meta", '{"old":true}']);
    await t.run(["env", "set", "app", "MODE=old"]);
    const install = `[ "$1" = --dry-run ] && exit 0
"$AURORA_BIN" ns register app --meta '{"new":true}' >&2
"$AURORA_BIN" env set app MODE=new >&2
"$AURORA_BIN" vfs write app note < /dev/null
"$AURORA_BIN" ns get app`;
    t.write({ id: "app", install, health: "exit 1", isSick: true });
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 4 });
    expect(await t.run(["logs", "app"])).toMatchObject({ stdout: expect.stringContaining('"new": true') });
    expect((await t.json(["ns", "get", "app"])).value).toMatchObject({ meta: { old: true }, revision: 1 });
    expect(await t.run(["env", "list", "app", "--show-values"])).toMatchObject({ stdout: "MODE=old\n" });
  });

  test("Ctrl-C in the middle: everything is as before, no process is left, exit 130", async () => {
    await using t = testHome();
    t.write({
      id: "app",
      start: "sleep 300 & echo $! > data/pid; touch data/started; sleep 300",
    });
    const child = Bun.spawn([...auroraCommand, "install", "app", "--home", t.home], {
      env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent", AURORA_PACKS: t.packs },
      stderr: "pipe",
      stdout: "pipe",
    });
    while (!existsSync(`${t.home}/data/app/started`)) await Bun.sleep(5);
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    expect(await child.stderr.text()).toEndWith(
      "error[interrupted]: stopped, and everything is as it was before\n",
    );
    const pid = Number(readFileSync(`${t.home}/data/app/pid`, "utf8"));
    expect(hasEnded(pid)).toBe(true);
    expect(existsSync(`${t.home}/live/app`)).toBe(false);
    expect((await t.json(["history", "app"])).value).toMatchObject([
      { outcome: "failed", reason: "app: stopped by SIGINT" },
    ]);
    expect(await t.run(["install", "app", "--no-start"])).toMatchObject({ exitCode: 0 });
  });

  test("Ctrl-C in a home with jobs says nothing of the daemon that would run them", async () => {
    await using t = testHome();
    t.write({
      id: "jobs",
      manifest: "  schedule: [{ name: tidy, every: 90m, run: start.sh }]",
    });
    await t.run(["install", "jobs", "--no-daemon"]);
    t.write({ id: "app", start: "touch data/started; sleep 300", stop: null });
    const child = Bun.spawn([...auroraCommand, "install", "app", "--home", t.home], {
      env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent", AURORA_PACKS: t.packs },
      stderr: "pipe",
      stdout: "ignore",
    });
    while (!existsSync(`${t.home}/data/app/started`)) await Bun.sleep(5);
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    const said = (await child.stderr.text()).replaceAll(/^(dry-run|install|switch|start|undo) .*\n/gm, "");
    expect(said).toBe("error[interrupted]: stopped, and everything is as it was before\n");
    expect(daemonPid(t.home)).toBeUndefined();
  });
});

test("--no-start leaves it stopped, and stops what ran", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  expect(await t.run(["install", "app", "--no-start"])).toMatchObject({
    stdout: "committed\napp 1.0.0, generation 1\n",
    exitCode: 0,
  });
  expect(await t.run(["status", "app"])).toMatchObject({
    stdout: expect.stringContaining("installed"),
    exitCode: 3,
  });
});

test("a script inside the transaction cannot start another one, and is told at once", async () => {
  await using t = testHome();
  t.write({ id: "other" });
  t.write({ id: "app", install: '[ "$1" = --dry-run ] || "$AURORA_BIN" install other --quiet' });
  expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 4 });
  expect(await t.run(["logs", "app"])).toMatchObject({
    stdout: expect.stringContaining(
      "error[denied]: cannot install other: this is called from a pack's confined script",
    ),
  });
});

test("sources that do not exist, or are given twice with other content", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  t.write({ id: "app", name: "app2", version: "2.0.0" });
  expect(await t.run(["install", "appp"])).toMatchObject({ stdout: "", exitCode: 5 });
  expect(await t.run(["install", "app", "./packs/app2"])).toEqual({
    stdout: "",
    stderr: 'error[usage]: the pack "app" is given twice, with different content\n',
    exitCode: 2,
  });
});

test("a file system that does not say how much is free takes a pack (needs root)", async () => {
  if (process.getuid?.() !== 0) return;
  await using t = testHome();
  t.write({ id: "app" });
  Bun.spawnSync(["mkdir", "-m", "700", t.home]);
  if (Bun.spawnSync(["mount", "-t", "ramfs", "none", t.home]).exitCode !== 0) return;
  try {
    expect(await t.run(["install", "app", "--quiet"])).toMatchObject({ stderr: "", exitCode: 0 });
    const { value } = await t.json(["doctor"]);
    expect((value as { checks: unknown[] }).checks).toContainEqual({
      name: "space",
      ok: true,
      detail: "its file system does not say how much is free",
      hint: null,
    });
  } finally {
    // What it has left running has a copy of the mount.
    await t.run(["remove", "app"]);
    Bun.spawnSync(["umount", t.home]);
  }
});

test("what a killed command left among the records goes with the next change; what may be somebody's stays", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  const records = `${t.home}/generations/app`;
  const old = new Date(Date.now() - 120_000);
  for (const name of ["old", "new"]) writeFileSync(`${records}/.aurora-tmp.${name}.json`, "{");
  utimesSync(`${records}/.aurora-tmp.old.json`, old, old);
  t.write({ id: "app", version: "2.0.0" });
  expect(await t.run(["install", "app", "--quiet"])).toMatchObject({ stderr: "", exitCode: 0 });
  expect(readdirSync(records).toSorted()).toEqual([".aurora-tmp.new.json", "1.json", "2.json", "pack.json"]);
});

test("too little free space is said before anything changes", async () => {
  if (process.getuid?.() !== 0) return;
  await using t = testHome();
  t.write({ id: "app" });
  Bun.spawnSync(["mkdir", "-m", "700", t.home]);
  if (
    Bun.spawnSync(["mount", "-t", "tmpfs", "-o", `size=${FREE_SPACE_RESERVE_BYTES}`, "none", t.home])
      .exitCode !== 0
  )
    return;
  try {
    expect(await t.run(["install", "app"])).toEqual({
      stdout: "",
      stderr: expect.stringMatching(
        /^error\[no-space\]: cannot begin: 16\.0 MiB of free space are needed in "DIR\/home", and there are 1[0-9.]+ MiB\nhint: free some space/,
      ),
      exitCode: 1,
    });
    expect(existsSync(`${t.home}/live/app`)).toBe(false);
  } finally {
    Bun.spawnSync(["umount", t.home]);
  }
});
