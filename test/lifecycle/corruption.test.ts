/** A home that something else has damaged: what is named, what still works, and what is refused. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";

import { testHome } from "../support/test-home.ts";

/** A home with two generations of `app`; the second is live. */
async function twoGenerations() {
  const at = testHome();
  for (const version of ["1.0.0", "2.0.0"]) {
    const directory = at.write({
      id: "app",
      version,
      name: version,
      files: { content: `content of ${version}` },
    });
    await at.run(["install", directory, "--no-start"]);
  }
  const live = readlinkSync(`${at.home}/live/app`).split("/").at(-1) as string;
  const old = readdirSync(`${at.home}/store`).find((name) => name.length === 64 && name !== live) as string;
  return {
    ...at,
    tree: (which: "live" | "old") => `${at.home}/store/${which === "live" ? live : old}`,
    [Symbol.asyncDispose]: at[Symbol.asyncDispose],
  };
}

/** Changes one bit of a stored file and puts its times back, as a failing disk would. */
function flipBit(path: string): void {
  const { atime, mtime, mode } = statSync(path);
  const bytes = readFileSync(path);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
  chmodSync(path, mode);
  utimesSync(path, atime, mtime);
}

function removeStored(tree: string): void {
  Bun.spawnSync(["chmod", "-R", "u+w", tree]);
  rmSync(tree, { recursive: true });
}

describe("a bit flips in a stored tree", () => {
  test("verify names the file, in the live tree and in one that is kept", async () => {
    await using at = await twoGenerations();
    flipBit(`${at.tree("old")}/content`);
    expect(await at.run(["verify"])).toEqual({
      stdout: 'app 2.0.0  ok\napp 1.0.0  damaged\n  "content" has other content\n',
      stderr: "",
      exitCode: 7,
    });
    flipBit(`${at.tree("live")}/content`);
    expect((await at.run(["verify", "app"])).stdout).toBe(
      'app 2.0.0  damaged\n  "content" has other content\napp 1.0.0  damaged\n  "content" has other content\n',
    );
  });

  test("rollback and activation refuse the tree, and what is live stays", async () => {
    await using at = await twoGenerations();
    const path = `${at.tree("old")}/content`;
    flipBit(path);
    utimesSync(path, 1, 1); // The fast check goes by size, time and inode.
    for (const argv of [
      ["rollback", "app"],
      ["activate", "app", "--generation", "1"],
    ]) {
      const { stdout, stderr, exitCode } = await at.run(argv);
      expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 7 });
      expect(stderr).toContain(
        'the stored tree of generation 1 is damaged\n  "content" has other content\nhint: ',
      );
    }
    expect((await at.json(["list"])).value).toMatchObject([{ version: "2.0.0", generation: 2 }]);
    expect(readlinkSync(`${at.home}/live/app`)).toEndWith(at.tree("live").slice(-64));
  });

  test("nothing is started from it", async () => {
    await using at = await twoGenerations();
    flipBit(`${at.tree("live")}/content`);
    utimesSync(`${at.tree("live")}/content`, 1, 1);
    expect(await at.run(["start", "app"])).toEqual({
      stdout: "",
      stderr:
        'error[state-invalid]: cannot start "app": its stored tree is damaged\n  "content" has other content\n' +
        "hint: install that version from its source again, which replaces the tree, or roll back\n",
      exitCode: 7,
    });
  });

  test("what runs is not stopped for a restart that could not start it", async () => {
    await using at = await twoGenerations();
    await at.run(["start", "app"]);
    const before = (await at.json(["status", "app"])).value;
    expect(before).toMatchObject([{ state: "running" }]);
    flipBit(`${at.tree("live")}/content`);
    utimesSync(`${at.tree("live")}/content`, 1, 1);
    expect(await at.run(["restart", "app"])).toMatchObject({
      stderr: expect.stringContaining('cannot start "app": its stored tree is damaged'),
      exitCode: 7,
    });
    expect((await at.json(["status", "app"])).value).toMatchObject([
      { state: "running", pid: (before as [{ pid: number }])[0].pid },
    ]);
  });

  test("staging the same source again heals the tree", async () => {
    await using at = await twoGenerations();
    flipBit(`${at.tree("old")}/content`);
    utimesSync(`${at.tree("old")}/content`, 1, 1);
    expect((await at.run(["stage", `${at.packs}/1.0.0`])).exitCode).toBe(0);
    expect((await at.run(["verify"])).exitCode).toBe(0);
    expect((await at.run(["rollback", "app"])).exitCode).toBe(0);
  });
});

describe("a stored tree is deleted", () => {
  test("the one that is live: verify says so, reading works, starting is refused, a rollback helps", async () => {
    await using at = await twoGenerations();
    removeStored(at.tree("live"));
    expect(await at.run(["verify"])).toMatchObject({
      stdout: "app 2.0.0  damaged\n  the stored tree is missing\n",
      exitCode: 7,
    });
    expect((await at.json(["list"])).value).toMatchObject([{ pack_id: "app", version: "2.0.0" }]);
    expect((await at.run(["status"])).exitCode).toBe(0);
    expect((await at.run(["start", "app"])).exitCode).toBe(7);
    expect((await at.run(["rollback", "app"])).exitCode).toBe(0);
    expect((await at.json(["list"])).value).toMatchObject([{ pack_id: "app", version: "1.0.0" }]);
  });

  test("one that is kept: verify says so, and a rollback to it is refused", async () => {
    await using at = await twoGenerations();
    removeStored(at.tree("old"));
    expect(await at.run(["verify"])).toMatchObject({
      stdout: "app 2.0.0  ok\napp 1.0.0  damaged\n  the stored tree is missing\n",
      exitCode: 7,
    });
    const { stderr, exitCode } = await at.run(["rollback", "app"]);
    expect(stderr).toStartWith(
      'error[not-found]: the tree of generation 1 of "app" is no longer in the store\n',
    );
    expect(exitCode).toBe(5);
  });
});

describe("a link is wrong", () => {
  test.each([
    ["missing", (path: string) => unlinkSync(path), "the live link is missing"],
    [
      "foreign",
      (path: string) => {
        unlinkSync(path);
        symlinkSync("/etc", path);
      },
      'the live link points to "/etc" instead of "../store/',
    ],
  ])(
    "%s: verify names it, reading works, and the next activation mends it",
    async (_name, damage, problem) => {
      await using at = await twoGenerations();
      damage(`${at.home}/live/app`);
      const { stdout, exitCode } = await at.run(["verify"]);
      expect(stdout).toStartWith(`app 2.0.0  damaged\n  ${problem}`);
      expect(exitCode).toBe(7);
      expect((await at.json(["list"])).value).toMatchObject([{ pack_id: "app", generation: 2 }]);
      expect((await at.run(["rollback", "app"])).exitCode).toBe(0);
      expect((await at.run(["verify"])).exitCode).toBe(0);
    },
  );

  test("a directory in its place: verify names it, and nothing is begun that could not be finished", async () => {
    await using at = await twoGenerations();
    const link = `${at.home}/live/app`;
    unlinkSync(link);
    mkdirSync(link);
    expect((await at.run(["verify"])).stdout).toBe("app 2.0.0  damaged\n  live/app is no link\n");
    for (const argv of [
      ["rollback", "app"],
      ["remove", "app"],
      ["install", `${at.packs}/1.0.0`],
    ]) {
      const { stdout, stderr, exitCode } = await at.run(argv);
      expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 7 });
      expect(stderr).toEndWith(
        'error[state-invalid]: cannot change "app": "DIR/home/live/app" is no link\n' +
          "hint: it is not Aurora's: move it away and run the command again\n",
      );
    }
    rmdirSync(link);
    expect((await at.run(["rollback", "app"])).exitCode).toBe(0);
    expect((await at.run(["verify"])).exitCode).toBe(0);
  });

  test("of a pack that is not installed: verify names it", async () => {
    await using at = await twoGenerations();
    symlinkSync("/etc", `${at.home}/live/stranger`);
    expect(await at.run(["verify"])).toEqual({
      stdout: "app 2.0.0  ok\nlive/stranger belongs to no installed pack\n",
      stderr: "",
      exitCode: 7,
    });
  });
});

describe("the database is damaged", () => {
  const damages: [name: string, damage: (path: string) => void, said: string][] = [
    ["truncated", (path) => truncateSync(path, 5000), 'cannot read "DIR/home/state.db": it is damaged ('],
    [
      "empty",
      (path) => truncateSync(path, 0),
      'cannot open "DIR/home/state.db": it is empty, but the home holds packs',
    ],
    [
      "deleted",
      (path) => unlinkSync(path),
      'cannot open "DIR/home/state.db": it is missing, but the home holds packs',
    ],
    [
      "no database",
      (path) => writeFileSync(path, "x".repeat(8192)),
      'cannot read "DIR/home/state.db": it is damaged (',
    ],
  ];
  test.each(damages)("%s: every command says so and changes nothing", async (_name, damage, said) => {
    await using at = await twoGenerations();
    damage(`${at.home}/state.db`);
    for (const argv of [["verify"], ["list"], ["rollback", "app"], ["install", at.packs + "/1.0.0"]]) {
      const { stdout, stderr, exitCode } = await at.run(argv);
      expect({ argv, stdout, exitCode }).toEqual({ argv, stdout: "", exitCode: 7 });
      expect(stderr).toStartWith(`error[state-invalid]: ${said}`);
      expect(stderr).toContain("\nhint: ");
    }
    expect(readlinkSync(`${at.home}/live/app`)).toEndWith(at.tree("live").slice(-64));
  });
});

describe("a value in the database is damaged, and its structure is not", () => {
  /** A home with something in every column that the commands read. */
  async function oldHome() {
    const at = testHome();
    at.write({ id: "app", name: "1.0.0", version: "1.0.0" });
    at.write({ id: "app", name: "2.0.0", version: "2.0.0" });
    for (const argv of [
      ["install", `${at.packs}/1.0.0`],
      ["install", `${at.packs}/2.0.0`],
      ["ns", "register", "app", "--meta", '{"port":8080}'],
      ["schedule", "add", "app", "--no-daemon", "--name", "tidy", "--every", "1h", "--", "true"],
    ])
      expect((await at.run(argv)).exitCode).toBe(0);
    return at;
  }

  const damages: [column: string, argv: string[]][] = [
    ["namespaces.meta", ["ns", "list"]],
    ["jobs.spec", ["schedule", "list", "--no-daemon"]],
    ["events.detail", ["events"]],
    ["transactions.plan", ["why", "app"]],
    ["journal.detail", ["why", "app"]],
  ];
  test("the command that reads it says so, verify names the row, and --rebuild remakes it", async () => {
    await using at = await oldHome();
    const path = `${at.home}/state.db`;
    const sound = readFileSync(path);
    const change = (sql: string) => {
      writeFileSync(path, sound);
      using database = new Database(path);
      database.run(sql);
    };
    for (const [column, argv] of damages) {
      const [table, name] = column.split(".");
      change(`UPDATE ${table} SET ${name} = substr(${name}, 2) WHERE ${name} IS NOT NULL`);
      expect(await at.run(argv)).toEqual({
        stdout: "",
        stderr:
          `error[state-invalid]: cannot read the registry: a value of ${column} is damaged\n` +
          "hint: bring it back from a backup, or remake it with aurora recover --rebuild; aurora verify names the row\n",
        exitCode: 7,
      });
      const { stdout, exitCode } = await at.run(["verify"]);
      expect({ exitCode, first: stdout.split("\n")[0] }).toEqual({ exitCode: 7, first: "app 2.0.0  ok" });
      expect(stdout).toMatch(new RegExp(`^${column} of .+ is damaged$`, "m"));
    }
    // A list where there has to be a list, and nothing else. What runs is found without it.
    change("UPDATE services SET processes = '{}'");
    expect((await at.run(["verify"])).stdout).toBe("app 2.0.0  ok\nservices.processes of app is damaged\n");
    expect((await at.run(["list"])).exitCode).toBe(0);
    expect((await at.run(["recover", "--rebuild"])).exitCode).toBe(0);
    expect((await at.run(["verify"])).stdout).toBe("app 2.0.0  ok\n");
  }, 60_000);

  test("the name of a value, so that it still can be read: the same", async () => {
    await using at = await oldHome();
    const path = `${at.home}/state.db`;
    const sound = readFileSync(path);
    const flips: [column: string, name: string, argv: string[]][] = [
      ["transactions.plan", "packs", ["rollback", "app"]],
      ["transactions.plan", "steps", ["why", "app"]],
      ["journal.detail", "name", ["why", "app"]],
      ["jobs.spec", "schedule", ["schedule", "list", "--no-daemon"]],
    ];
    for (const [column, name, argv] of flips) {
      const [table, value] = column.split(".");
      writeFileSync(path, sound);
      {
        using database = new Database(path);
        database.run(
          `UPDATE ${table} SET ${value} = replace(${value}, '"${name}":', '"${name.toUpperCase()}":')`,
        );
      }
      const { stdout, stderr, exitCode } = await at.run(argv);
      expect({ column, name, stdout, exitCode }).toEqual({ column, name, stdout: "", exitCode: 7 });
      expect(stderr).toStartWith(
        `error[state-invalid]: cannot read the registry: a value of ${column} is damaged\nhint: `,
      );
      expect((await at.run(["verify"])).stdout).toMatch(new RegExp(`^${column} of .+ is damaged$`, "m"));
    }
    expect((await at.run(["recover", "--rebuild"])).exitCode).toBe(0);
    expect((await at.run(["verify"])).stdout).toBe("app 2.0.0  ok\n");
  }, 60_000);

  test("the number of its schema: every command says so, and --rebuild remakes it", async () => {
    await using at = await oldHome();
    {
      using database = new Database(`${at.home}/state.db`);
      database.run("PRAGMA user_version = 1");
    }
    for (const argv of [["list"], ["verify"], ["rollback", "app"]])
      expect(await at.run(argv)).toEqual({
        stdout: "",
        stderr:
          'error[state-invalid]: cannot read "DIR/home/state.db": it is damaged (table service_confinement already exists)\n' +
          "hint: bring it back from a backup, or remake it with aurora recover --rebuild\n",
        exitCode: 7,
      });
    expect((await at.run(["recover", "--rebuild"])).exitCode).toBe(0);
    expect((await at.run(["verify"])).stdout).toBe("app 2.0.0  ok\n");
  });

  test("the text of its schema: who asks for what is damaged says so, verify names the table", async () => {
    await using at = await oldHome();
    const path = `${at.home}/state.db`;
    const text = readFileSync(path, "latin1");
    writeFileSync(
      path,
      text.replace("started_at TEXT, duration_ms", "started_au TEXT, duration_ms"),
      "latin1",
    );
    const { stdout, stderr, exitCode } = await at.run(["schedule", "list", "--no-daemon"]);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 7 });
    expect(stderr).toStartWith(
      'error[state-invalid]: cannot read "state.db": it is damaged (no such column: started_at)\nhint: ',
    );
    expect(await at.run(["verify"])).toEqual({
      stdout: "app 2.0.0  ok\nthe schema of job_runs is damaged\n",
      stderr: "",
      exitCode: 7,
    });
    expect((await at.run(["recover", "--rebuild"])).exitCode).toBe(0);
    expect((await at.run(["verify"])).stdout).toBe("app 2.0.0  ok\n");
  });

  test("a manifest that reads well, and is not the one in the store: verify names it, recover puts it back", async () => {
    await using at = await oldHome();
    {
      using database = new Database(`${at.home}/state.db`);
      database.run("UPDATE packs SET manifest = replace(manifest, '2.0.0', '2.0.1')");
      database.run("UPDATE trees SET manifest = replace(manifest, '1.0.0', '1.0.1')");
    }
    const damaged = "damaged\n  its manifest in the registry is damaged: aurora recover puts it back\n";
    expect(await at.run(["verify"])).toEqual({
      stdout: `app 2.0.0  ${damaged}app 1.0.0  ${damaged}`,
      stderr: "",
      exitCode: 7,
    });
    expect((await at.run(["doctor"])).stdout).toContain(
      'bad  registry       the stored manifest of "app" is not the store\'s',
    );
    expect((await at.run(["recover"])).exitCode).toBe(0);
    expect((await at.run(["verify"])).stdout).toBe("app 2.0.0  ok\n");
  });
});
