import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { aurora, scratch } from "../support/aurora.ts";

const scripts = ["health_check.sh", "heartbeat.sh", "install.sh", "run_tests.sh", "start.sh", "stop.sh"];
const files = [".auroraignore", "README.md", "manifest.schema.json", "manifest.yaml", ...scripts].toSorted();

const isInstalled = (program: string) => Bun.which(program) !== null;

async function newPack() {
  const directory = scratch();
  const result = await aurora(["init", "my_pack"], { cwd: directory.path });
  const path = join(directory.path, "my_pack");
  const script = (name: string, ...args: string[]) => {
    const { exitCode, stdout, stderr } = Bun.spawnSync([join(path, name), ...args], { stdin: "ignore" });
    return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
  };
  return { ...directory, pack: path, result, script };
}

test("a new pack has its files, scripts that can be run, and what to type next", async () => {
  using place = await newPack();
  expect(place.result).toEqual({
    stdout: `${place.pack}
  manifest.yaml
  install.sh
  heartbeat.sh
  start.sh
  stop.sh
  health_check.sh
  run_tests.sh
  README.md
  .auroraignore
  manifest.schema.json
next: aurora check ./my_pack
`,
    stderr: "",
    exitCode: 0,
  });
  expect(readdirSync(place.pack).toSorted()).toEqual(files);
  for (const name of files)
    expect((statSync(join(place.pack, name)).mode & 0o111) !== 0, name).toBe(scripts.includes(name));
  expect(readFileSync(join(place.pack, "README.md"), "utf8")).toStartWith("# My pack\n");
  expect(readFileSync(join(place.pack, "manifest.yaml"), "utf8")).toStartWith(
    "# yaml-language-server: $schema=manifest.schema.json\n",
  );
});

test("it passes check with nothing but the warning that it is not sealed", async () => {
  using place = await newPack();
  const { stdout, stderr, exitCode } = await aurora(["check", "./my_pack", "--json"], { cwd: place.path });
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(JSON.parse(stdout)).toMatchObject({
    ok: true,
    packs: [
      { pack_id: "my_pack", version: "0.1.0", diagnostics: [{ severity: "warning", code: "not-sealed" }] },
    ],
  });
});

test("the schema beside the manifest is that of aurora schema", async () => {
  using place = await newPack();
  const { stdout } = await aurora(["schema"]);
  expect(readFileSync(join(place.pack, "manifest.schema.json"), "utf8")).toBe(stdout);
});

test("--json and --dir, which is made where it is missing", async () => {
  using directory = scratch();
  const { stdout, stderr, exitCode } = await aurora(["init", "p1", "--dir", "a/b", "--json"], {
    cwd: directory.path,
  });
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(JSON.parse(stdout)).toEqual({
    pack_id: "p1",
    path: join(directory.path, "a/b/p1"),
    files: expect.arrayContaining(files),
    next: "aurora check ./a/b/p1",
  });
});

test("what to type next can be typed where a name needs quotes", async () => {
  using directory = scratch();
  const { stdout } = await aurora(["init", "p1", "--dir", "a b", "--json"], { cwd: directory.path });
  expect(JSON.parse(stdout)).toMatchObject({ next: "aurora check './a b/p1'" });
  const sealed = await aurora(["check", "./a b/p1"], { cwd: directory.path });
  expect(sealed.stdout).toContain(`hint: aurora seal '${directory.path}/a b/p1'`);
});

test("a directory that exists is refused and left alone", async () => {
  using directory = scratch();
  mkdirSync(join(directory.path, "my_pack"));
  expect(await aurora(["init", "my_pack"], { cwd: directory.path })).toEqual({
    stdout: "",
    stderr: `error[exists]: cannot write the pack "my_pack": "${directory.path}/my_pack" exists already\nhint: choose another name, or another place with --dir\n`,
    exitCode: 8,
  });
  expect(readdirSync(join(directory.path, "my_pack"))).toEqual([]);
});

describe("a bad id is refused with one that is good", () => {
  test.each([
    ["My Pack", "hint: aurora init my_pack\n"],
    ["_x", "hint: aurora init x\n"],
    ["Größe", "hint: aurora init gro_e\n"],
    ["a/b", "hint: name the directory around it with --dir\n"],
    ["a".repeat(65), `hint: aurora init ${"a".repeat(64)}\n`],
    ["..", ""],
  ])("%s", async (name, hint) => {
    using directory = scratch();
    expect(await aurora(["init", name], { cwd: directory.path })).toEqual({
      stdout: "",
      stderr: `error[usage]: cannot write the pack "${name}": a pack's id is 1 to 64 of a-z, 0-9, _ and -, and begins with a letter or a digit\n${hint}`,
      exitCode: 2,
    });
    expect(readdirSync(directory.path)).toEqual([]);
  });
});

test("its scripts start, tell health, and stop, also twice", async () => {
  using place = await newPack();
  const { script } = place;
  expect(script("install.sh", "--dry-run")).toEqual({
    exitCode: 0,
    stdout: "would create data and logs\n",
    stderr: "",
  });
  expect(readdirSync(place.pack)).not.toContain("data");
  expect(script("install.sh", "--install")).toEqual({ exitCode: 0, stdout: "installed\n", stderr: "" });
  expect(script("install.sh")).toEqual({
    exitCode: 2,
    stdout: "",
    stderr: "usage: install.sh --dry-run | --install\n",
  });
  expect(script("health_check.sh")).toEqual({ exitCode: 1, stdout: "unhealthy: not running\n", stderr: "" });
  try {
    const { stdout, exitCode } = script("start.sh");
    const pid = Number(/^started as process (\d+)\n$/.exec(stdout)?.[1]);
    expect(exitCode).toBe(0);
    expect(script("health_check.sh")).toEqual({ exitCode: 0, stdout: "healthy\n", stderr: "" });
    expect(script("start.sh").stdout).toBe(`running already as process ${pid}\n`);
    expect(process.kill(pid, 0)).toBe(true);
  } finally {
    expect(script("stop.sh")).toEqual({ exitCode: 0, stdout: "stopped\n", stderr: "" });
  }
  expect(script("stop.sh")).toEqual({ exitCode: 0, stdout: "not running\n", stderr: "" });
  expect(script("health_check.sh").exitCode).toBe(1);
  expect(readFileSync(join(place.pack, "logs/heartbeat.log"), "utf8")).toBe("");
});

test("after a crash: a dead process, an old heartbeat, and a number that belongs to somebody else", async () => {
  using place = await newPack();
  const { pack, script } = place;
  expect(script("install.sh", "--install").exitCode).toBe(0);
  const leave = (pid: number, ageSeconds: number) => {
    writeFileSync(join(pack, "data/heartbeat.pid"), `${pid}\n`);
    writeFileSync(join(pack, "data/heartbeat"), `${Math.floor(Date.now() / 1000) - ageSeconds}\n`);
  };
  // Linux gives no process a number above 2^22.
  leave(2 ** 22 + 1, 0);
  expect(script("health_check.sh")).toEqual({
    exitCode: 1,
    stdout: "unhealthy: the process is gone\n",
    stderr: "",
  });
  expect(script("stop.sh").stdout).toBe("stopped\n");
  leave(process.pid, 1000);
  expect(script("health_check.sh").stdout).toMatch(/^unhealthy: the last heartbeat is 100\d seconds old\n$/);
  // This very process has the number, and lives on.
  expect(script("stop.sh").stdout).toBe("stopped\n");
  expect(readdirSync(join(pack, "data"))).toEqual([]);
});

test("a heartbeat that hangs is ended by stop.sh", async () => {
  using place = await newPack();
  const { script } = place;
  const pid = Number(/^started as process (\d+)\n$/.exec(script("start.sh").stdout)?.[1]);
  process.kill(pid, "SIGSTOP");
  writeFileSync(join(place.pack, "data/heartbeat"), "0\n");
  expect(script("health_check.sh").exitCode).toBe(1);
  expect(script("stop.sh")).toEqual({ exitCode: 0, stdout: "stopped\n", stderr: "" });
  // Whoever is its parent now may not have asked how it ended: then it is a zombie.
  const state = Bun.spawnSync(["ps", "-p", String(pid), "-o", "stat="]).stdout.toString();
  expect(state).toMatch(/^(Z.*\n)?$/);
});

test("its own tests pass", async () => {
  using place = await newPack();
  expect(place.script("run_tests.sh")).toEqual({ exitCode: 0, stdout: "ok\n", stderr: "" });
  expect(readdirSync(place.pack).toSorted()).toEqual(files);
});

// shellcheck is a package of most distributions; without it there is nothing to ask.
test.skipIf(!isInstalled("shellcheck"))("shellcheck finds nothing in its scripts", async () => {
  using place = await newPack();
  const { stdout, exitCode } = Bun.spawnSync([
    "shellcheck",
    "-s",
    "sh",
    ...scripts.map((name) => join(place.pack, name)),
  ]);
  expect({ stdout: stdout.toString(), exitCode }).toEqual({ stdout: "", exitCode: 0 });
});
