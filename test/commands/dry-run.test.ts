import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

import { MAX_COPIED_DATA_BYTES } from "../../src/lifecycle/dry-run.ts";
import { eventually } from "../support/eventually.ts";
import { testHome } from "../support/test-home.ts";

/** The living processes with these arguments, each followed by a blank. */
const processesCalled = (words: string) =>
  readdirSync("/proc").filter((name) => {
    try {
      return (
        /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "latin1").replaceAll("\0", " ") === words
      );
    } catch {
      return false; // Gone meanwhile.
    }
  });

const snapshot = (home: string) =>
  Bun.spawnSync(
    [
      "sh",
      "-c",
      `find . -path ./store -prune -o -path ./state.db -prune -o -name '*.lock' -prune -o -printf '%p %y %m %s %l\\n' | sort`,
    ],
    { cwd: home },
  ).stdout.toString();

test("shows what the script prints and what it changes in its copy; the home is what it was", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app", "--no-start"]);
  await Bun.write(`${t.home}/data/app/kept`, "1");
  const before = snapshot(t.home);
  t.write({
    id: "app",
    name: "next",
    version: "2.0.0",
    files: { "conf/a": "1" },
    install: `echo "mode $1, dry $AURORA_DRY_RUN"
echo note >&2
echo 2 > conf/a; rm stop.sh; touch new
echo 2 > data/kept; mkdir data/d; echo x > logs/own.log
"$AURORA_BIN" ns register app --meta '{"tried":true}' > /dev/null
[ "$AURORA_PACK_DIR" = "$(pwd)" ]`,
  });
  expect(await t.run(["dry-run", "./packs/next"])).toEqual({
    stdout: `mode --dry-run, dry 1
note
dry-run of app passed
what it changed in its copy:
  ~ conf/a
  + data/d/
  ~ data/kept
  + logs/own.log
  + new
  ~ ns:app
  - stop.sh
`,
    stderr: "",
    exitCode: 0,
  });
  expect(snapshot(t.home)).toBe(before);
  expect(readdirSync(`${t.home}/tmp`)).toEqual([]);
  expect((await t.json(["ns", "get", "app"])).value).toMatchObject({ meta: {}, revision: 1 });
});

test("the name of what it changes stays on its line", async () => {
  await using t = testHome();
  t.write({ id: "app", install: 'touch "data/a\n  - b"' });
  expect((await t.run(["dry-run", "app"])).stdout).toEndWith("\n  + data/a\\u{a}  - b\n");
});

test("within a quota, what is counted is no change of the script's", async () => {
  await using t = testHome();
  const manifest = "  data: { quota: { size: 1KiB, files: 10 } }";
  t.write({ id: "app", manifest, install: 'echo 1 | "$AURORA_BIN" vfs write app mine' });
  expect(await t.run(["dry-run", "app"])).toEqual({
    stdout: "dry-run of app passed\nwhat it changed in its copy:\n  + data/mine\n",
    stderr: "",
    exitCode: 0,
  });
});

test("--json has steps and changes; a failed one is exit 1", async () => {
  await using t = testHome();
  t.write({ id: "app", install: "echo out; echo err >&2; exit 3" });
  const { value, exitCode } = await t.json(["dry-run", "app"]);
  expect(exitCode).toBe(1);
  expect(value).toEqual({
    pack_id: "app",
    digest: expect.stringMatching(/^sha256:/),
    ok: false,
    steps: [
      {
        name: "dry-run",
        rc: 3,
        signal: null,
        timeout: false,
        at: expect.any(String),
        duration_ms: expect.any(Number),
        stdout: "out\n",
        stderr: "err\n",
      },
    ],
    changes: [],
  });
});

test("a script cannot reach out of its copy, and an unconfined one that does is found out, exit 7", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app", "--no-start"]);
  t.write({
    id: "app",
    name: "next",
    version: "2.0.0",
    install: `echo evil > '${t.home}/data/app/left-behind'`,
  });
  expect(await t.run(["dry-run", "./packs/next"])).toEqual({
    stdout: expect.stringMatching(
      /install.sh: 3: cannot create DIR\/home\/data\/app\/left-behind: (Read-only file system|Permission denied)/,
    ),
    stderr: "",
    exitCode: 1,
  });
  expect(await t.run(["install", "./packs/next", "--allow-all", "--approve"])).toEqual({
    stdout: "",
    stderr: `dry-run app
error[state-invalid]: the dry-run of "app" reached out of its copy and changed the home
hint: see what it changed with aurora verify app; do not install this pack
`,
    exitCode: 7,
  });
});

test("what others change meanwhile is not taken for the script's, and what is rehearsed stays in the store", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app", "--no-start"]);
  const install =
    "echo > data/begun; while [ -e data/begun ] && [ ! -e data/go ]; do sleep 0.02; done; rm data/begun data/go";
  t.write({ id: "app", name: "next", version: "2.0.0", install });
  const rehearsal = t.run(["dry-run", "./packs/next"]);
  const data = await eventually("the script", () =>
    readdirSync(`${t.home}/tmp`)
      .map((name) => `${t.home}/tmp/${name}/home/data/app`)
      .find((path) => existsSync(`${path}/begun`)),
  );
  expect(await t.run(["vfs", "write", "app", "note"], { stdin: "x" })).toMatchObject({ exitCode: 0 });
  expect(await t.run(["gc"])).toEqual({
    stdout: "",
    stderr:
      "error[locked]: cannot collect garbage: packs are being staged\nhint: try again when that is done\n",
    exitCode: 8,
  });
  writeFileSync(`${data}/go`, "");
  expect(await rehearsal).toEqual({
    stdout: "dry-run of app passed\nit changed nothing\n",
    stderr: "",
    exitCode: 0,
  });
});

test("what it leaves running is ended, and a pack without an install script has nothing to rehearse", async () => {
  await using t = testHome();
  const seconds = 3_000_000 + process.pid;
  t.write({ id: "app", install: `sleep ${seconds} & echo started` });
  const { stdout, exitCode } = await t.run(["dry-run", "app"]);
  expect({ stdout: stdout.split("\n", 1)[0], exitCode }).toEqual({ stdout: "started", exitCode: 0 });
  // By its number it could not be found: it was in a pid namespace.
  expect(processesCalled(`sleep ${seconds} `)).toEqual([]);
  t.write({ id: "plain", install: null });
  expect(await t.run(["dry-run", "plain"])).toEqual({
    stdout: "plain has no install script: there is nothing to rehearse\n",
    stderr: "",
    exitCode: 0,
  });
});

test("a pack that does not support it says so", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  const manifest = `${t.packs}/app/manifest.yaml`;
  await Bun.write(
    manifest,
    (await Bun.file(manifest).text()).replace("safety: {", "safety: { dry_run_supported: false,"),
  );
  expect(await t.run(["dry-run", "app"])).toEqual({
    stdout: "",
    stderr:
      'error[not-supported]: "app" does not support dry runs\nhint: its manifest says safety.dry_run_supported: false\n',
    exitCode: 1,
  });
  expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
});

test("data beyond the limit is not copied: the script finds it empty, and a warning says so", async () => {
  await using t = testHome();
  t.write({ id: "app", install: "ls data/" });
  await t.run(["install", "app", "--no-start"]);
  Bun.spawnSync(["truncate", "-s", String(MAX_COPIED_DATA_BYTES + 1), `${t.home}/data/app/big`]);
  expect(await t.run(["dry-run", "app"])).toEqual({
    stdout: "dry-run of app passed\nit changed nothing\n",
    stderr: 'warning: the data of "app" is too large to copy: the script finds it empty\n',
    exitCode: 0,
  });
  Bun.spawnSync(["truncate", "-s", "100", `${t.home}/data/app/big`]);
  expect((await t.run(["dry-run", "app"])).stdout).toStartWith("big\n");
});
