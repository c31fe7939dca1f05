/** A home that an older program has written, where nothing can be written: it can be looked at all the same. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";

import { migrations } from "../../src/registry/migrations.ts";
import { asOrdinaryUser } from "../support/aurora.ts";
import { userHome, users } from "../support/user-home.ts";

const READING: readonly (readonly string[])[] = [
  ["list"],
  ["show", "app"],
  ["history", "app"],
  ["why", "app"],
  ["status"],
  ["events"],
  ["verify"],
  ["ns", "list"],
  ["env", "list", "app"],
  ["schedule", "list"],
];

/** Takes back the last step of the schema. Where that has become another one, so has this. */
function makeOlder(path: string): void {
  using database = new Database(path);
  expect(migrations.at(-1)?.match(/ADD COLUMN \w+/g)).toEqual([
    "ADD COLUMN reason",
    "ADD COLUMN last_end",
    "ADD COLUMN next_start",
    "ADD COLUMN status_text",
  ]);
  for (const column of ["reason", "last_end", "next_start", "status_text"])
    database.run(`ALTER TABLE services DROP COLUMN ${column}`);
  database.run(`PRAGMA user_version = ${migrations.length - 1}`);
}

/** Before a command. Root may write wherever the file system lets it, so for root the home is mounted read-only. */
const MOUNT = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
const mounted = (home: string) => ["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT, home];

const canMount = Bun.spawnSync([...mounted(tmpdir()), "true"]).exitCode === 0;

describe.each(users.filter((user) => user !== "root" || canMount))("as %s", (user) => {
  test("what reads is the same as before, and what writes says why it cannot", async () => {
    await using t = userHome(user);
    t.write({ id: "app" });
    const actions = [
      ["install", "app"],
      ["env", "set", "app", "NAME=value"],
      ["ns", "register", "app", "--meta", '{"port":8080}'],
    ];
    for (const argv of actions) expect(await t.run(argv)).toMatchObject({ exitCode: 0 });
    const look = async (before: readonly string[]) => {
      const runs = [];
      for (const argv of READING) {
        const { stdout, ...run } = await t.run([...argv, "--json", "--no-daemon"], {}, before);
        runs.push({
          argv,
          ...run,
          stdout: stdout.replace(/"memory_bytes":\d+,"conf/, '"memory_bytes":0,"conf'),
        });
      }
      return runs;
    };
    const wanted = await look([]);
    for (const run of wanted) expect(run).toMatchObject({ stderr: "", exitCode: 0 });
    makeOlder(`${t.home}/state.db`);
    const before = user === "root" ? mounted(t.home) : [];
    if (user !== "root") Bun.spawnSync([...asOrdinaryUser, "chmod", "a-w", t.home, `${t.home}/state.db`]);
    const bytes = readFileSync(`${t.home}/state.db`);
    expect(await look(before)).toEqual(wanted);
    expect(await t.run(["ns", "register", "app"], {}, before)).toEqual({
      stdout: "",
      stderr:
        `error[home-unusable]: cannot use the home "DIR/home": ${user === "root" ? "the file system is read-only" : "permission denied"}\n` +
        "hint: give --home DIR or set AURORA_HOME to a directory that you can write\n",
      exitCode: 1,
    });
    expect(readFileSync(`${t.home}/state.db`).equals(bytes)).toBe(true);
  }, 60_000);
});
