import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";

import { isScript, scriptArgv } from "../../src/process/script-argv.ts";
import { scratch } from "../support/aurora.ts";

test("an executable is run directly, with its own arguments", () => {
  expect(scriptArgv(["bin/install.sh", "--fast", "a b"], "/trees/one")).toEqual({
    argv: ["/trees/one/bin/install.sh", "--fast", "a b"],
    env: {},
  });
  expect(scriptArgv(["./x.sh"], "/trees/one").argv).toEqual(["/trees/one/./x.sh"]);
});

test.each([
  ["a.ts", true],
  ["a.mts", true],
  ["a.cts", true],
  ["a.js", true],
  ["a.mjs", true],
  ["a.sh", false],
  ["a.ts.sh", false],
  ["ts", false],
  ["a.json", false],
])("%s runs on the built-in runtime: %p", (name, expected) => {
  expect(isScript(name)).toBe(expected);
});

/** Runs a script of a pack as its entrypoint would be. */
async function runScript(directory: string, entry: string[], cwd = directory, home = "/nonexistent") {
  const { argv, env } = scriptArgv(entry, directory);
  const child = Bun.spawn(argv, {
    cwd,
    env: { PATH: "/usr/bin:/bin", HOME: home, ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { stdout, stderr, exitCode: await child.exited };
}

describe("TypeScript", () => {
  test("gets its arguments, dashes included, and its exit code counts", async () => {
    using directory = scratch();
    writeFileSync(
      `${directory.path}/main.ts`,
      "const words: string[] = process.argv.slice(2); console.log(JSON.stringify(words)); process.exit(9);",
    );
    expect(await runScript(directory.path, ["main.ts", "--", "--deep", "--", "-x", "a b"])).toEqual({
      stdout: '["--","--deep","--","-x","a b"]\n',
      stderr: "",
      exitCode: 9,
    });
  });

  test("does not obey what lies around: .env, bunfig.toml, package.json, tsconfig.json, in the tree or the home", async () => {
    using directory = scratch();
    const { path } = directory;
    const evil = 'console.log("HOSTILE");';
    writeFileSync(`${path}/evil.ts`, evil);
    writeFileSync(`${path}/.env`, "HOSTILE=1\n");
    writeFileSync(`${path}/.env.local`, "HOSTILE=1\n");
    writeFileSync(`${path}/bunfig.toml`, `preload = ["${path}/evil.ts"]\n[run]\nbun = true\n`);
    writeFileSync(`${path}/.bunfig.toml`, `preload = ["${path}/evil.ts"]\n`);
    writeFileSync(
      `${path}/package.json`,
      JSON.stringify({ scripts: { "main.ts": "echo HOSTILE", "premain.ts": "echo HOSTILE" } }),
    );
    writeFileSync(
      `${path}/tsconfig.json`,
      JSON.stringify({ compilerOptions: { paths: { left: ["./evil.ts"], "node:fs": ["./evil.ts"] } } }),
    );
    mkdirSync(`${path}/sub`);
    const main = `import { existsSync } from "node:fs";
      console.log(typeof existsSync, process.env.HOSTILE, await import("left").catch((error) => error.code));`;
    writeFileSync(`${path}/main.ts`, main);
    writeFileSync(`${path}/sub/main.ts`, main);
    const clean = { stdout: "function undefined ERR_MODULE_NOT_FOUND\n", stderr: "", exitCode: 0 };
    expect(await runScript(path, ["main.ts"], path, path)).toEqual(clean);
    expect(await runScript(path, ["sub/main.ts"], path, path)).toEqual(clean);
  });

  test("what makes this program the runtime does not pass to its children", async () => {
    using directory = scratch();
    writeFileSync(
      `${directory.path}/main.ts`,
      `import { execFileSync, spawnSync as nodeSpawn } from "node:child_process";
       import { $, spawn, spawnSync } from "bun";
       const show = ["sh", "-c", 'echo "[$BUN_BE_BUN] $EXTRA"'];
       const text = (bytes) => new TextDecoder().decode(bytes).trim();
       const results = {
         own: process.env.BUN_BE_BUN ?? "unset",
         spawn: (await spawn(show, { stdout: "pipe" }).stdout.text()).trim(),
         spawnObject: (await spawn({ cmd: show, stdout: "pipe" }).stdout.text()).trim(),
         spawnSync: text(spawnSync(show).stdout),
         spawnSyncObject: text(spawnSync({ cmd: show }).stdout),
         given: text(Bun.spawnSync(show, { env: { PATH: process.env.PATH, EXTRA: "extra" } }).stdout),
         node: text(nodeSpawn(show[0], show.slice(1)).stdout),
         execFile: text(execFileSync(show[0], show.slice(1))),
         shell: (await $\`sh -c \${show[2]}\`.text()).trim(),
       };
       console.log(JSON.stringify(results));`,
    );
    const { stdout, stderr } = await runScript(directory.path, ["main.ts"]);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual({
      own: "unset",
      spawn: "[]",
      spawnObject: "[]",
      spawnSync: "[]",
      spawnSyncObject: "[]",
      given: "[] extra",
      node: "[]",
      execFile: "[]",
      shell: "[]",
    });
  });

  test("fetches no package from the network", async () => {
    using directory = scratch();
    writeFileSync(
      `${directory.path}/main.ts`,
      'console.log(await import("left-pad").catch((error) => error.code));',
    );
    expect(await runScript(directory.path, ["main.ts"])).toMatchObject({ stdout: "ERR_MODULE_NOT_FOUND\n" });
  });
});
