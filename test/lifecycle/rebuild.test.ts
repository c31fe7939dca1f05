/** A registry that is lost is remade from the store, the links and the records of the generations. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";

import { hasEnded, testHome } from "../support/test-home.ts";

/** Two generations of `app`, the second live and running; a namespace entry and a variable of before the second. */
async function runningUpgrade() {
  const at = testHome();
  const first = at.write({ id: "app", version: "1.0.0", name: "one" });
  const second = at.write({ id: "app", version: "2.0.0", name: "two" });
  expect((await at.run(["install", first])).exitCode).toBe(0);
  expect((await at.run(["ns", "register", "app", "--meta", '{"port":1}'])).exitCode).toBe(0);
  expect((await at.run(["env", "set", "app", "NAME=value"])).exitCode).toBe(0);
  expect((await at.run(["install", second])).exitCode).toBe(0);
  expect((await at.run(["env", "set", "app", "SECRET=shown", "LATER=value"])).exitCode).toBe(0);
  expect((await at.run(["env", "unset", "app", "SECRET"])).exitCode).toBe(0);
  for (const name of ["kept", "dropped"]) {
    const words = [
      "schedule",
      "add",
      "app",
      "--name",
      name,
      "--cron",
      "0 3 * * *",
      "--timezone",
      "UTC",
      "--",
      "true",
    ];
    expect((await at.run(words)).exitCode).toBe(0);
  }
  expect((await at.run(["schedule", "remove", "app", "dropped"])).exitCode).toBe(0);
  return at;
}

async function jobsOf(at: ReturnType<typeof testHome>): Promise<string[]> {
  const { value } = await at.json(["schedule", "list", "app"]);
  return (value as { id: string; spec: string }[]).map(({ id, spec }) => `${id} ${spec}`);
}

const damages: [name: string, damage: (path: string) => void, keeps: boolean][] = [
  ["deleted", (path) => unlinkSync(path), false],
  ["truncated", (path) => truncateSync(path, 5000), true],
];

test.each(damages)(
  "%s: everything comes back that a transaction has recorded",
  async (_name, damage, keeps) => {
    await using at = await runningUpgrade();
    const before = {
      list: (await at.json(["list"])).value,
      history: (await at.json(["history", "app"])).value,
      ns: (await at.json(["ns", "get", "app"])).value,
      env: await at.run(["env", "list", "app"]),
      jobs: await jobsOf(at),
    };
    const pid = Number(readFileSync(`${at.home}/data/app/pid`, "utf8"));
    damage(`${at.home}/state.db`);

    const { stdout, stderr, exitCode } = await at.run(["recover", "--rebuild"]);
    expect(stderr).toBe("");
    expect(stdout.replaceAll(/damaged-\w+/g, "damaged-TIME")).toBe(
      [
        "the registry is rebuilt from 2 trees and 2 generations",
        "app 2.0.0, generation 2",
        ...(keeps ? ["the old one is kept as state.db.damaged-TIME"] : []),
        "namespace entries are as they were at each pack's last transaction; events, quarantines and the runs of jobs are lost",
        "",
      ].join("\n"),
    );
    expect(exitCode).toBe(0);
    expect(await at.run(["verify"])).toEqual({ stdout: "app 2.0.0  ok\n", stderr: "", exitCode: 0 });
    expect((await at.json(["list"])).value).toMatchObject([
      { pack_id: "app", version: "2.0.0", generation: 2, state: "running" },
    ]);
    expect((await at.json(["history", "app"])).value).toEqual(before.history);
    expect((await at.json(["ns", "get", "app"])).value).toEqual(before.ns);
    expect(await at.run(["env", "list", "app"])).toEqual(before.env);
    expect(await jobsOf(at)).toEqual(before.jobs);
    expect(Bun.spawnSync(["grep", "-r", "SECRET", `${at.home}/generations`]).stdout.toString()).toBe("");
    expect(statSync(`${at.home}/state.db`).mode & 0o777).toBe(0o600);
    expect(readdirSync(`${at.home}/tmp`)).toEqual([]);

    expect((await at.json(["why", "app"])).value).toMatchObject({
      state: "running",
      cause: expect.stringContaining(
        "version 2.0.0 is live, and what brought it there was lost with an earlier registry",
      ),
      transaction: null,
      steps: [],
    });

    // The service that ran all the time is known again: a rollback stops it.
    expect(hasEnded(pid)).toBe(false);
    expect((await at.run(["rollback", "app"])).exitCode).toBe(0);
    expect(hasEnded(pid)).toBe(true);
  },
);

test("what is kept of a pack that was removed before was not only staged", async () => {
  await using at = testHome();
  at.write({ id: "app" });
  at.write({ id: "staged" });
  await at.run(["install", "app"]);
  await at.run(["remove", "app"]);
  await at.run(["stage", "staged"]);
  rmSync(`${at.home}/state.db`);
  expect(await at.run(["recover", "--rebuild"])).toMatchObject({ exitCode: 0 });
  const causeOf = async (packId: string) =>
    ((await at.json(["why", packId])).value as { cause: string }).cause;
  expect(await causeOf("app")).toBe("version 1.0.0 is kept, and is not installed");
  expect(await causeOf("staged")).toBe("version 1.0.0 was staged and never installed");
});

test("without records what is live is a new generation, and it says so", async () => {
  await using at = testHome();
  at.write({ id: "app" });
  await at.run(["install", "app", "--no-start"]);
  rmSync(`${at.home}/generations`, { recursive: true });
  rmSync(`${at.home}/state.db`);
  expect(await at.run(["recover", "--rebuild"])).toEqual({
    stdout: [
      "the registry is rebuilt from 1 tree and 0 generations",
      "app 1.0.0, generation 1",
      "not recovered: app has no record of the generation that is live: it is generation 1 now",
      "namespace entries are as they were at each pack's last transaction; events, quarantines and the runs of jobs are lost",
      "",
    ].join("\n"),
    stderr: "",
    exitCode: 0,
  });
  expect((await at.json(["verify"])).value).toMatchObject({ ok: true });
});

test("what cannot be recovered is named: a damaged record, a tree without one, a foreign link", async () => {
  await using at = testHome();
  at.write({ id: "app" });
  at.write({ id: "other" });
  at.write({ id: "third" });
  await at.run(["install", "app", "--no-start"]);
  await at.run(["install", "other", "third", "--no-start"]);
  writeFileSync(`${at.home}/generations/app/1.json`, "{}");
  symlinkSync("/etc", `${at.home}/live/stranger`);
  unlinkSync(`${at.home}/live/third`);
  const other = ((await at.json(["list"])).value as { pack_id: string; digest: string }[]).find(
    ({ pack_id }) => pack_id === "other",
  );
  const summary = `${at.home}/store/${other?.digest.slice(7)}.json`;
  chmodSync(summary, 0o600);
  writeFileSync(summary, "{}");
  rmSync(`${at.home}/state.db`);
  const { stdout, exitCode } = await at.run(["recover", "--rebuild", "--json"]);
  expect(exitCode).toBe(0);
  const { rebuilt } = JSON.parse(stdout) as { rebuilt: { packs: { pack_id: string }[]; problems: string[] } };
  expect(rebuilt.packs).toMatchObject([{ pack_id: "app" }]);
  expect(rebuilt.problems).toEqual([
    "generations/app/1.json is damaged",
    expect.stringMatching(
      /^the tree DIGEST is not recovered: cannot read "DIR\/home\/store\/[0-9a-f]+\.json": it is damaged$/,
    ),
    "app has no record of the generation that is live: it is generation 1 now",
    expect.stringMatching(
      /^live\/other points to "\.\.\/store\/[0-9a-f]+", which is no tree of this pack in the store$/,
    ),
    'live/stranger points to "/etc", which is no tree of this pack in the store',
    "third was live as generation 1, and its link is gone",
  ]);
});

test("trees that are gone too, and damaged ones: what is named, and what is not live any more", async () => {
  await using at = testHome();
  for (const id of ["gone", "flipped"]) at.write({ id, files: { content: "1" } });
  await at.run(["install", "gone", "flipped", "--no-start"]);
  const treeOf = (id: string) => `${at.home}/store/${readlinkSync(`${at.home}/live/${id}`).slice(-64)}`;
  const goneHex = treeOf("gone").slice(-64);
  chmodSync(treeOf("gone"), 0o755);
  rmSync(treeOf("gone"), { recursive: true });
  const flipped = `${treeOf("flipped")}/content`;
  chmodSync(flipped, 0o644);
  writeFileSync(flipped, "2");
  chmodSync(flipped, 0o444);
  rmSync(`${at.home}/state.db`);
  const { stdout, exitCode } = await at.run(["recover", "--rebuild"]);
  expect(stdout.split("\n")).toEqual([
    "the registry is rebuilt from 1 tree and 2 generations",
    "flipped 1.0.0, generation 1",
    `not recovered: live/gone points to "../store/${goneHex}", which is no tree of this pack in the store`,
    "namespace entries are as they were at each pack's last transaction; events, quarantines and the runs of jobs are lost",
    "",
  ]);
  expect(exitCode).toBe(0);
  expect(await at.run(["verify"])).toEqual({
    stdout: 'flipped 1.0.0  damaged\n  "content" has other content\nlive/gone belongs to no installed pack\n',
    stderr: "",
    exitCode: 7,
  });
  expect(await at.run(["start", "flipped"])).toMatchObject({ stdout: "", exitCode: 7 });
});

test("a sound registry is left alone", async () => {
  await using at = testHome();
  at.write({ id: "app" });
  await at.run(["install", "app", "--no-start"]);
  const before = readFileSync(`${at.home}/state.db`);
  expect(await at.run(["recover", "--rebuild"])).toEqual({
    stdout: "",
    stderr:
      "error[conflict]: cannot rebuild the registry: it is sound\nhint: aurora verify shows what else is wrong\n",
    exitCode: 8,
  });
  expect(readFileSync(`${at.home}/state.db`)).toEqual(before);
});

test("where Aurora is root's, packs keep their users, and their data its owner", async () => {
  if (process.getuid?.() !== 0) return;
  await using at = testHome();
  chmodSync(dirname(at.home), 0o755);
  // Their numbers begin at the same one, so that the second got the next.
  const [first, second, third] = ["pack1581", "pack2100", "third"];
  const quiet = { start: null, stop: null, health: null };
  for (const id of [first, second, third]) {
    at.write({ ...quiet, id, install: 'echo kept > "$AURORA_DATA_DIR/f"' });
    await at.run(["install", id]);
  }
  const userOf = async (id: string) => Number((await at.run(["exec", id, "--", "id", "-u"])).stdout);
  const before = [await userOf(first), await userOf(second), await userOf(third)];
  // No other user can get to this program, say: then packs run as root.
  if (before.includes(0)) return;
  expect(new Set(before).size).toBe(3);
  await at.run(["remove", first, "--purge"]);
  rmSync(`${at.home}/state.db`);
  expect(await at.run(["recover", "--rebuild"])).toMatchObject({ exitCode: 0 });

  expect([await userOf(second), await userOf(third)]).toEqual(before.slice(1));
  expect(statSync(`${at.home}/data/${second}/f`).uid).toBe(before[1] as number);
  // Also what was removed with all of its data has its number still, which files elsewhere may belong to.
  await at.run(["install", first]);
  expect(await userOf(first)).toBe(before[0] as number);
});
