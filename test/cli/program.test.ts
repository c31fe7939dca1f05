/** How the program as a whole behaves in a shell: streams, colours, errors, exit codes. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

import { aurora, auroraCommand, scratch } from "../support/aurora.ts";
import { testHome } from "../support/test-home.ts";

const sh = (script: string, env: Record<string, string> = {}) => {
  const command = auroraCommand.map((word) => `'${word}'`).join(" ");
  const child = Bun.spawnSync(["sh", "-c", script.replaceAll("AURORA", command)], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent", ...env },
    stdin: "ignore",
  });
  return { stdout: child.stdout.toString(), stderr: child.stderr.toString(), exitCode: child.exitCode };
};

describe("wrong usage", () => {
  const behind = 'a command stands behind "--"';
  test.each([
    [["hlep"], 'error[usage]: unknown command "hlep"\nhint: did you mean "aurora help"?\n'],
    [["lst"], 'error[usage]: unknown command "lst"\nhint: did you mean "aurora list"?\n'],
    [["zzzzzzzz"], 'error[usage]: unknown command "zzzzzzzz"\nhint: aurora help lists the commands\n'],
    [[], "error[usage]: no command is given\nhint: aurora help lists the commands\n"],
    [["--json"], undefined],
    [["ns"], 'error[usage]: "ns" needs one of its commands\nhint: aurora help ns lists them\n'],
    [["ns", "gte", "x"], 'error[usage]: unknown command "ns gte"\nhint: did you mean "aurora ns get"?\n'],
    [
      ["version", "extra"],
      'error[usage]: "version" takes no argument "extra"\nhint: aurora help version shows how it is called\n',
    ],
    [["show"], 'error[usage]: "show" needs <PACK>\nhint: aurora help show shows how it is called\n'],
    [
      ["exec", "app", "ls"],
      `error[usage]: "exec" takes no argument "ls"\nhint: ${behind}: aurora exec PACK -- CMD…\n`,
    ],
    [
      ["exec", "app", "ls", "-la"],
      `error[usage]: unknown option "-l"\nhint: ${behind}: aurora exec PACK -- CMD…\n`,
    ],
    [
      ["vfs", "lock", "app", "/f", "ls"],
      `error[usage]: "vfs lock" takes no argument "ls"\nhint: ${behind}: aurora vfs lock PACK PATH -- CMD…\n`,
    ],
    [["exec", "app", "--jsn", "ls"], 'error[usage]: unknown option "--jsn"\nhint: did you mean --json?\n'],
    [["list", "--jsn"], 'error[usage]: unknown option "--jsn"\nhint: did you mean --json?\n'],
    [
      ["list", "--", "x"],
      'error[usage]: "list" takes no argument "x"\nhint: aurora help list shows how it is called\n',
    ],
    [
      ["show", "UPPER"],
      'error[usage]: "UPPER" is no pack id\nhint: a pack id has 1 to 64 of a-z, 0-9, _ and -, and begins with a letter or a digit\n',
    ],
    [
      ["list", "--wait", "soon"],
      'error[usage]: cannot read --wait "soon": it is not a duration\nhint: write 10s, 2m or 500ms\n',
    ],
  ])("%j", async (argv, stderr) => {
    const result = await aurora(argv);
    expect(result).toMatchObject({ stdout: "", exitCode: 2 });
    if (stderr !== undefined) expect(result.stderr).toBe(stderr);
  });

  test("an argument that is no UTF-8", () => {
    expect(sh("AURORA vfs ls app \"$(printf 'a\\377')\"")).toEqual({
      stdout: "",
      stderr:
        "error[usage]: an argument is not valid UTF-8\nhint: names of files and values are UTF-8 here\n",
      exitCode: 2,
    });
    expect(sh("AURORA vfs ls app 'a\uFFFD' --home /nonexistent-home")).toMatchObject({ exitCode: 5 });
  });

  test("with --json the error is one document on stderr", async () => {
    const { stdout, stderr, exitCode } = await aurora(["nonsense", "--json"]);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: "usage",
        message: 'unknown command "nonsense"',
        hint: "aurora help lists the commands",
        exit_code: 2,
        diagnostics: [],
      },
    });
  });
});

describe("flags may stand before or after the command", () => {
  test("those with a value too", async () => {
    using home = scratch();
    const result = { stdout: "no events\n", stderr: "", exitCode: 0 };
    for (const argv of [
      ["-n", "5", "events"],
      ["--number", "5", "--home", "x", "events"],
      ["events", "-n", "5"],
    ])
      expect(await aurora(argv, { home: `${home.path}/new`, cwd: home.path })).toEqual(result);
    expect(await aurora(["ns", "--home", "list", "list"], { cwd: home.path })).toEqual({
      ...result,
      stdout: "no namespaces\n",
    });
  });

  test.each([[["--json", "list"]], [["list", "--json"]]])("%j", async (argv) => {
    using home = scratch();
    expect(await aurora(argv, { home: `${home.path}/new` })).toEqual({
      stdout: "[]\n",
      stderr: "",
      exitCode: 0,
    });
  });
});

describe("streams", () => {
  test("a full disk on stdout is an error, exit 74", () => {
    expect(sh("AURORA help > /dev/full")).toEqual({
      stdout: "",
      stderr: "error[output-failed]: cannot write the output: no space left on the device\n",
      exitCode: 74,
    });
  });

  test("a closed pipe ends quietly", () => {
    const { stdout, stderr } = sh("{ AURORA help; echo code $? >&2; } | head -n 1");
    expect({ stdout, stderr: stderr.replace("code 0\n", "") }).toEqual({
      stdout: "Aurora puts packs on this machine and keeps them right.\n",
      stderr: "",
    });
  });

  test("a closed stdout is no crash", () => {
    expect(sh("AURORA help >&-")).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  });

  test("appending to a file leaves no hole in it", () => {
    using directory = scratch();
    const file = `${directory.path}/out`;
    sh(`AURORA help >> ${file}; AURORA help >> ${file}`);
    expect(sh(`tr -d '\\000' < ${file} | cmp - ${file} && grep -c '^Usage' ${file}`).stdout).toBe("2\n");
  });
});

describe("colour", () => {
  const inTerminal = (command: string, env = "") =>
    sh(`script -qec "${env} ${auroraCommand.join(" ")} ${command}" /dev/null < /dev/null`).stdout;

  test("a terminal gets it", () => {
    expect(inTerminal("help")).toContain("\u001b[1mUsage:\u001b[22m");
  });

  test.each([
    ["NO_COLOR=1", "help"],
    ["TERM=dumb", "help"],
    ["", "list --no-color --home /nonexistent-home"],
  ])("%s %s: none", (env, command) => {
    expect(inTerminal(command, env)).not.toContain("\u001b[");
  });

  test("what is no terminal gets none", async () => {
    expect((await aurora(["help"])).stdout).not.toContain("\u001b[");
  });
});

describe("the home", () => {
  test("reading commands create nothing", async () => {
    using directory = scratch();
    const home = `${directory.path}/deep/home`;
    expect(await aurora(["list"], { home })).toEqual({ stdout: "no packs\n", stderr: "", exitCode: 0 });
    expect(sh(`ls -A ${directory.path}`).stdout).toBe("");
  });

  test("--home wins over AURORA_HOME, and may be relative", async () => {
    using directory = scratch();
    await aurora(["ns", "register", "a", "--home", "here"], {
      home: `${directory.path}/other`,
      cwd: directory.path,
    });
    expect(sh(`ls ${directory.path}`).stdout).toBe("here\n");
  });

  test("a current directory that was removed is in nobody's way who does not need it", () => {
    using place = scratch();
    const inIt = (words: string) =>
      sh(`mkdir ${place.path}/x && cd ${place.path}/x && rmdir ../x && AURORA ${words}`);
    expect(inIt(`list --home ${place.path}/home`)).toEqual({
      stdout: "no packs\n",
      stderr: "",
      exitCode: 0,
    });
    expect(inIt("list --home home")).toEqual({
      stdout: "",
      stderr:
        "error[io]: cannot tell the current directory: no such file or directory\n" +
        "hint: it may have been removed: cd to one that is there, or give absolute paths\n",
      exitCode: 1,
    });
  });

  test("it is created with mode 0700, and the database with 0600", async () => {
    using directory = scratch();
    const home = `${directory.path}/home`;
    await aurora(["ns", "register", "a"], { home });
    expect(sh(`stat -c '%a' ${home} ${home}/state.db`).stdout).toBe("700\n600\n");
  });

  test.each([["link"], ["up/home"]])("a home behind symbolic links is the same home: %s", async (name) => {
    await using t = testHome();
    t.write({ id: "app" });
    const directory = dirname(t.home);
    symlinkSync(".", `${directory}/up`);
    if (name === "link") {
      mkdirSync(t.home);
      symlinkSync("home", `${directory}/link`);
    }
    const linked = { env: { AURORA_HOME: `${directory}/${name}` } };
    expect(await t.run(["install", "app", "--quiet"], linked)).toEqual({
      stdout: "committed\napp 1.0.0, generation 1, healthy\n",
      stderr: "",
      exitCode: 0,
    });
    const told = await t.run(["exec", "app", "--", "sh", "-c", "echo $AURORA_HOME"], linked);
    expect(told.stdout).toBe("DIR/home\n");
    expect((await t.run(["stop", "app"])).stdout).toBe("app is stopped\n");
    expect((await t.run(["remove", "app", "--quiet"], linked)).stdout).toBe("app is removed\n");
  });

  test("a home in whose place something else is", () => {
    using directory = scratch();
    const home = `${directory.path}/home`;
    symlinkSync("nowhere", home);
    expect(sh(`AURORA ns register a --home ${home}`)).toMatchObject({
      stdout: "",
      stderr: `error[home-unusable]: cannot use the home "${home}": there is something else already\nhint: give --home DIR or set AURORA_HOME to a directory that you can write\n`,
      exitCode: 1,
    });
  });

  test("a file is not taken for an empty home", () => {
    using directory = scratch();
    const home = `${directory.path}/home`;
    writeFileSync(home, "");
    expect(sh(`AURORA list --home ${home}`)).toMatchObject({
      stdout: "",
      stderr: `error[home-unusable]: cannot use the home "${home}": it is not a directory\nhint: give --home DIR or set AURORA_HOME to a directory that you can write\n`,
      exitCode: 1,
    });
  });

  test("a home that may not be looked into is not taken for an empty one", () => {
    if (process.getuid?.() !== 0) return;
    using directory = scratch();
    const home = `${directory.path}/home`;
    const asNobody = `setpriv --reuid=65534 --regid=65534 --clear-groups`;
    const { stdout, stderr, exitCode } = sh(
      `cd / && chmod 755 ${directory.path} && mkdir -m 700 ${home} && ${asNobody} AURORA list --home ${home}`,
    );
    expect({ stdout, stderr, exitCode }).toEqual({
      stdout: "",
      stderr: `error[home-unusable]: cannot use the home "${home}": permission denied\nhint: call aurora as the user who owns it, or give another --home DIR\n`,
      exitCode: 1,
    });
  });

  test("an ordinary user without a writable home directory gets a clear error", () => {
    if (process.getuid?.() !== 0) return;
    using directory = scratch();
    const asNobody = `setpriv --reuid=65534 --regid=65534 --clear-groups`;
    const { stderr, exitCode } = sh(`cd / && ${asNobody} env HOME=${directory.path} AURORA ns register a`);
    expect({ stderr, exitCode }).toEqual({
      stderr: `error[home-unusable]: cannot use the home "${directory.path}/.local/share/aurora": permission denied\nhint: give --home DIR or set AURORA_HOME to a directory that you can write\n`,
      exitCode: 1,
    });
  });

  test.each([["version"], ["help"], ["schema"], ["device"], ["completions bash"]])(
    "%s needs none",
    (command) => {
      if (process.getuid?.() !== 0) return;
      const asNobody = "setpriv --reuid=65534 --regid=65534 --clear-groups env -u HOME";
      expect(sh(`cd / && ${asNobody} AURORA ${command}`)).toMatchObject({ stderr: "", exitCode: 0 });
      expect(sh(`cd / && ${asNobody} AURORA list`)).toMatchObject({
        stderr:
          "error[home-unusable]: cannot tell where the home is: neither AURORA_HOME, XDG_DATA_HOME nor HOME is set\nhint: give --home DIR\n",
        exitCode: 1,
      });
    },
  );

  test("on a home that may only be read, reading commands work", () => {
    if (process.getuid?.() !== 0) return;
    using directory = scratch();
    const home = `${directory.path}/home`;
    sh(`AURORA ns register a --meta '{"x":1}' --home ${home} && chmod -R a+rX ${directory.path}`);
    const asNobody = `setpriv --reuid=65534 --regid=65534 --clear-groups`;
    const { stdout, stderr, exitCode } = sh(
      `cd / && ${asNobody} AURORA ns get a --json --home ${home} && ${asNobody} AURORA list --home ${home}`,
    );
    expect({ stdout: stdout.replace(/"updated":"[^"]*"/, '"updated":"T"'), stderr, exitCode }).toEqual({
      stdout: '{"pack_id":"a","meta":{"x":1},"revision":1,"updated":"T"}\nno packs\n',
      stderr: "",
      exitCode: 0,
    });
  });

  test.each([
    [
      "damaged",
      "printf 'not a database, but long enough to be one' > $H/state.db",
      /^error\[state-invalid\]: cannot read ".*state.db": it is damaged/,
    ],
    [
      "of another program",
      "rm $H/state.db && python3 -c \"import sqlite3; c=sqlite3.connect('$H/state.db'); c.execute('pragma user_version=3')\"",
      /it is a SQLite file, but not Aurora's\n$/,
    ],
    [
      "written by a newer Aurora",
      "python3 -c \"import sqlite3; c=sqlite3.connect('$H/state.db'); c.execute('pragma user_version=999')\"",
      /^error\[state-newer\]: cannot open ".*": it has schema 999, and this program knows up to \d+\nhint: use the newer aurora that wrote it\n$/,
    ],
    [
      "missing beside packs",
      "rm $H/state.db && mkdir -p $H/store/x",
      /it is missing, but the home holds packs\n/,
    ],
    [
      "empty beside packs",
      ": > $H/state.db && mkdir -p $H/store/x",
      /it is empty, but the home holds packs\n/,
    ],
  ])("a state.db that is %s is refused, exit 7", async (_name, damage, stderr) => {
    using directory = scratch();
    const home = `${directory.path}/home`;
    await aurora(["ns", "register", "a"], { home });
    expect(sh(damage.replaceAll("$H", home))).toMatchObject({ stderr: "", exitCode: 0 });
    for (const command of [["list"], ["ns", "register", "b"]]) {
      const result = await aurora(command, { home });
      expect(result).toMatchObject({ stdout: "", exitCode: 7 });
      expect(result.stderr).toMatch(stderr);
    }
  });
});
