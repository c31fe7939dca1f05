import { expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";

import { auroraCommand } from "../support/aurora.ts";
import { eventually } from "../support/eventually.ts";
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

test("without a terminal it needs an approval, and does not send anybody to a command that cannot show its plan", async () => {
  await using t = testHome();
  for (const version of ["1.0.0", "2.0.0"]) {
    t.write({ id: "app", name: version, version, approval: true });
    await t.run(["install", `./packs/${version}`, "--approve"]);
  }
  for (const argv of [
    ["rollback", "app"],
    ["activate", "app", "--generation", "1"],
  ]) {
    expect(await t.run(argv)).toEqual({
      stdout: "",
      stderr: `dry-run app
error[approval-required]: this plan needs an operator's approval
  plan DIGEST
hint: run it on a terminal to review the plan, or add --approve=DIGEST
`,
      exitCode: 6,
    });
  }
});

test("by the record, not to number minus one: a failed generation in between is never chosen", async () => {
  await using t = testHome();
  await install(t, "1.0.0", "2.0.0");
  t.write({ id: "app", name: "sick", version: "2.5.0", health: "exit 1", isSick: true });
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
  t.write({ id: "app", name: "sick", version: "2.0.0", health: "exit 1", isSick: true });
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
    isSick: true,
  });
  expect(await t.run(["install", "./packs/2"])).toMatchObject({
    stderr: "dry-run app\ninstall app\nstop app\nsnapshot app\nswitch app\nstart app\nhealth app\n",
    exitCode: 4,
  });
  expect(await Bun.file(`${t.home}/data/app/db`).text()).toBe("old format");
  expect(await Bun.file(`${t.home}/data/app/extra`).exists()).toBe(false);
  expect(Bun.spawnSync(["find", `${t.home}/snapshots`, "-mindepth", "2"]).stdout.toString()).toBe("");
});

/** Nothing runs, so nothing is to be stopped. */
const still = { stop: null, health: null };
const SNAPSHOT = "  data: { epoch: 2, reads_epochs: [1, 2], snapshot: true }";
const dataOf = async (t: Home) => (await Bun.file(`${t.home}/data/app/db`).text()).trim();
const snapshots = (t: Home) =>
  readdirSync(`${t.home}/snapshots/app`)
    .map((name) => name.replace(/-.*/, ""))
    .toSorted();

/** 1.0.0 without snapshots, 2.0.0 with, each with its own data. */
async function upgraded(t: Home): Promise<void> {
  t.write({ id: "app", name: "1", version: "1.0.0", start: "echo of-1 >> data/db", ...still });
  t.write({
    id: "app",
    name: "2",
    version: "2.0.0",
    manifest: SNAPSHOT,
    start: "echo of-2 > data/db",
    ...still,
  });
  for (const name of ["1", "2"])
    expect(await t.run(["install", `./packs/${name}`])).toMatchObject({ exitCode: 0 });
}

test("data: a rollback after the commit brings back what that generation left, also over an epoch", async () => {
  await using t = testHome();
  await upgraded(t);
  expect(await dataOf(t)).toBe("of-2");
  expect(snapshots(t)).toEqual(["1"]);
  expect(await t.run(["rollback", "app"])).toEqual({
    stdout: "committed\napp 1.0.0, generation 3\n",
    stderr:
      "dry-run app\ninstall app\nstop app\nsnapshot app\nrestore app\nswitch app\nstart app\nhealth app\n",
    exitCode: 0,
  });
  expect(await dataOf(t)).toBe("of-1\nof-1");
  expect(snapshots(t)).toEqual(["1", "2"]);
  expect(await t.run(["rollback", "app", "--to", "2"])).toMatchObject({ exitCode: 0 });
  expect(snapshots(t)).toEqual(["1", "2", "3"]);
  // What the rollback left behind came back too, and its start has written over it again.
  expect(await dataOf(t)).toBe("of-2");
});

test("data: a rollback that fails leaves the data as it was before the rollback", async () => {
  await using t = testHome();
  t.write({
    id: "app",
    name: "1",
    version: "1.0.0",
    start: "echo of-1 > data/db",
    stop: null,
    health: 'test ! -e "$AURORA_DATA_DIR/../../sick"',
    isSick: true,
  });
  t.write({
    id: "app",
    name: "2",
    version: "2.0.0",
    manifest: SNAPSHOT,
    start: "echo of-2 > data/db",
    ...still,
  });
  await t.run(["install", "./packs/1"]);
  await t.run(["install", "./packs/2"]);
  await Bun.write(`${t.home}/data/app/db`, "grown since");
  await Bun.write(`${t.home}/sick`, "");
  expect(await t.run(["rollback", "app"])).toMatchObject({ exitCode: 4 });
  expect(await dataOf(t)).toBe("of-2"); // The old version's start has written it anew.
  expect(snapshots(t)).toEqual(["1"]);
});

test("data: gc removes what no rollback goes to, and a rollback without a snapshot says so", async () => {
  await using t = testHome();
  for (const version of ["1.0.0", "2.0.0", "3.0.0"]) {
    t.write({
      id: "app",
      name: version,
      version,
      start: "date > data/db",
      ...still,
      manifest: "  data: { snapshot: true }",
    });
    await t.run(["install", `./packs/${version}`]);
  }
  expect(snapshots(t)).toEqual(["1", "2"]);
  expect(await t.json(["gc", "--keep", "1", "--dry-run"])).toMatchObject({
    value: { removed_snapshots: [{ pack_id: "app", generation: 1 }] },
  });
  expect(snapshots(t)).toEqual(["1", "2"]);
  expect(await t.run(["gc", "--keep", "1"])).toMatchObject({
    stdout: expect.stringMatching(/^DIGEST\ndata of app, generation 1\nfreed \d+ B\n$/),
    exitCode: 0,
  });
  expect(snapshots(t)).toEqual(["2"]);
  await t.run(["install", "./packs/1.0.0"]);
  await rm(`${t.home}/snapshots/app`, { recursive: true });
  expect(await t.run(["rollback", "app"])).toMatchObject({
    stderr: expect.stringContaining(
      'warning: the data of "app" stays as it is: no snapshot of generation 3 is kept\n',
    ),
    exitCode: 0,
  });
});

test("data: a copy keeps owners, modes, links and holes, and leaves sockets out", async () => {
  await using t = testHome();
  t.write({ id: "app", name: "1", version: "1.0.0", start: null, stop: null, health: null });
  t.write({
    id: "app",
    name: "2",
    version: "2.0.0",
    manifest: "  data: { snapshot: true }",
    start: "rm -rf data/*",
    stop: null,
    health: null,
  });
  await t.run(["install", "./packs/1"]);
  const make = `cd "$0" && mkdir d && echo x > d/f && ln d/f hard && ln -s nowhere link && mkfifo pipe && chmod 751 d &&
    truncate -s 64G holes && echo end >> holes && touch -d @1000000000 d/f`;
  const list = `cd "$0" && find . -printf '%P %y %m %U %G %n %l %b %s ' -a \\( -type d -printf '\\n' -o -printf '%T@\\n' \\) |
    grep -v ^sock | sort | sed 's/\\(.*\\.......\\)....$/\\1/'`;
  const shell = (script: string) =>
    Bun.spawnSync(["sh", "-c", script, `${t.home}/data/app`]).stdout.toString();
  shell(make);
  const listener = Bun.listen({ unix: `${t.home}/data/app/socket`, socket: { data() {} } });
  const before = shell(list);
  expect(before).toContain("holes f 644");
  expect(await t.run(["install", "./packs/2"])).toMatchObject({ exitCode: 0 });
  listener.stop();
  expect(shell(list)).not.toContain("holes");
  expect(await t.run(["rollback", "app"])).toMatchObject({ exitCode: 0 });
  // Times are kept to a microsecond, as far as a double holds them.
  const rounded = (text: string) => text.replace(/(\.\d{4})\d+/g, "$1");
  expect(rounded(shell(list))).toBe(rounded(before.replace(/^socket.*\n/m, "")));
});

test.skipIf(process.getuid?.() !== 0 || process.platform !== "linux")(
  "data: the space for its copy is asked for before anything is stopped (needs root)",
  async () => {
    await using t = testHome();
    t.write({ id: "app", name: "1", version: "1.0.0", start: null, ...still });
    t.write({
      id: "app",
      name: "2",
      version: "2.0.0",
      start: null,
      ...still,
      manifest: "  data: { snapshot: true }",
    });
    const script = `mkdir "$0" && mount -t tmpfs -o size=48m none "$0" && cd "$1" && shift &&
      "$@" install ./1 --home "$0" >"$0/out" 2>&1 && head -c 20M /dev/urandom > "$0/data/app/db" &&
      exec "$@" install ./2 --home "$0"`;
    const argv = ["unshare", "--mount", "sh", "-c", script, t.home, t.packs, ...auroraCommand];
    const { stdout, stderr, exitCode } = Bun.spawnSync(argv);
    expect({ stdout: stdout.toString(), exitCode }).toEqual({ stdout: "", exitCode: 1 });
    expect(stderr.toString().replace(/there are .*/, "there are N")).toBe(
      `error[no-space]: cannot begin: 36.0 MiB of free space are needed in "${t.home}", and there are N
hint: free some space, or remove old generations with aurora gc
`,
    );
  },
);

test("data: whose data a snapshot holds is known also after the registry was rebuilt", async () => {
  await using t = testHome();
  await upgraded(t);
  await Bun.write(`${t.home}/state.db`, "this is no database at all, but it is long enough to look at");
  expect(await t.run(["recover", "--rebuild"])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["rollback", "app"])).toMatchObject({ exitCode: 0 });
  expect(await dataOf(t)).toStartWith("of-1");
});

test("of a pack that is removed while it is prepared there is nothing to roll back", async () => {
  await using t = testHome();
  const manifest = "  data: { snapshot: true }";
  const waits =
    '[ -z "${AURORA_DRY_RUN:-}" ] || [ ! -e data/wait ] || { echo > data/begun; while [ -e data/begun ] && [ ! -e data/go ]; do sleep 0.02; done; }';
  t.write({ id: "app", name: "1.0.0", version: "1.0.0", manifest, install: waits });
  t.write({ id: "app", name: "2.0.0", version: "2.0.0", manifest });
  for (const version of ["1.0.0", "2.0.0"])
    expect(await t.run(["install", `./packs/${version}`])).toMatchObject({ exitCode: 0 });
  await t.run(["vfs", "write", "app", "wait"]);
  const rollback = t.run(["rollback", "app", "--quiet"]);
  const data = await eventually("the dry run", () =>
    readdirSync(`${t.home}/tmp`)
      .map((name) => `${t.home}/tmp/${name}/home/data/app`)
      .find((path) => existsSync(`${path}/begun`)),
  );
  expect(await t.run(["remove", "app"])).toMatchObject({ exitCode: 0 });
  writeFileSync(`${data}/go`, "");
  expect(await rollback).toEqual({
    stdout: "",
    stderr: 'error[not-found]: the pack "app" is not installed\nhint: aurora list shows the packs\n',
    exitCode: 5,
  });
  expect(await t.run(["list"])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["install", "./packs/2.0.0"])).toMatchObject({ exitCode: 0 });
});
