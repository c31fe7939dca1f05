/** What lies in the current directory, or in the environment, must never make the compiled program run somebody's code. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { scratch } from "../support/aurora.ts";
import { writePack } from "../support/test-pack.ts";

const root = join(import.meta.dir, "../..");
/** One that has not ended by then is ended: some of what is tried keeps a program alive. */
const TIME_LIMIT_MS = 50_000;

// From sources, the Bun that runs the tests reads these files itself: only a compiled program can be asked.
let binary = Bun.env["AURORA_BINARY"] ?? "";
let built: ReturnType<typeof scratch> | undefined;

beforeAll(() => {
  if (binary !== "") return;
  built = scratch();
  binary = join(built.path, "aurora");
  const build = Bun.spawnSync([process.execPath, "scripts/build.ts", "--outfile", binary], { cwd: root });
  expect(build.exitCode, build.stderr.toString()).toBe(0);
}, 60_000);

afterAll(() => built?.[Symbol.dispose]());

function run(argv: string[], cwd: string, env: Record<string, string>) {
  const { stdout, stderr, exitCode, exitedDueToTimeout } = Bun.spawnSync([binary, ...argv], {
    cwd,
    env: { PATH: Bun.env["PATH"] ?? "/usr/bin:/bin", HOME: cwd, LANG: "C.UTF-8", ...env },
    stdin: "ignore",
    timeout: TIME_LIMIT_MS,
    killSignal: "SIGKILL",
  });
  return {
    stdout: stdout.toString(),
    stderr: stderr.toString(),
    exitCode,
    isTimedOut: exitedDueToTimeout === true,
  };
}

/** A directory whose every configuration file tries to run `attack.ts`, which leaves a mark, or to change the environment. */
function hostileDirectory(path: string) {
  const mark = join(path, "mark");
  const attack = join(path, "attack.ts");
  mkdirSync(path, { recursive: true });
  writeFileSync(attack, `require("node:fs").writeFileSync(${JSON.stringify(mark)}, "attacked");`);
  for (const name of ["bunfig.toml", ".bunfig.toml"])
    writeFileSync(
      join(path, name),
      `preload = ["${attack}"]\n[run]\npreload = ["${attack}"]\n[test]\npreload = ["${attack}"]\n`,
    );
  for (const name of [".env", ".env.local", ".env.production"])
    writeFileSync(
      join(path, name),
      `AURORA_HOME=${path}/stolen\nBUN_OPTIONS=--preload=${attack}\nLEAKED=yes\n`,
    );
  writeFileSync(
    join(path, "package.json"),
    JSON.stringify({ imports: { cac: "./attack.ts" }, scripts: { preinstall: `touch ${mark}` } }),
  );
  writeFileSync(
    join(path, "tsconfig.json"),
    JSON.stringify({ compilerOptions: { paths: { "*": ["./attack.ts"] }, baseUrl: "." } }),
  );
  writeFileSync(join(path, ".npmrc"), "node-options=--require=./attack.ts\n");
  for (const name of ["cac", "yaml", "valibot", "consola"]) {
    const directory = join(path, "node_modules", name);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "index.js"), `require(${JSON.stringify(attack)});`);
  }
  return { mark, attack };
}

test("in a hostile directory every command says the same as in an empty one, and runs nothing", () => {
  using directory = scratch();
  const hostile = join(directory.path, "hostile");
  const empty = join(directory.path, "empty");
  const { mark } = hostileDirectory(hostile);
  mkdirSync(empty);
  const source = writePack(join(directory.path, "packs/app"), {
    id: "app",
    start: 'echo "leaked: ${LEAKED-no}" > data/leaked',
    stop: null,
    health: "exit 0",
  });
  const homes = { [hostile]: join(directory.path, "one"), [empty]: join(directory.path, "two") };
  const argvs = [
    ["version", "--json"],
    ["help"],
    ["list"],
    ["check", source],
    ["device"],
    ["install", source, "--approve", "--quiet"],
    ["status", "nothing"],
    ["verify"],
  ];
  for (const argv of argvs) {
    const [here, there] = [hostile, empty].map((cwd) => run(argv, cwd, { AURORA_HOME: homes[cwd] ?? "" }));
    expect(here, argv.join(" ")).toEqual(there as NonNullable<typeof there>);
    expect(here?.exitCode, argv.join(" ")).toBe(argv.includes("nothing") ? 5 : 0);
  }
  expect(existsSync(mark)).toBe(false);
  expect(readFileSync(join(directory.path, "one/data/app/leaked"), "utf8")).toBe("leaked: no\n");
});

test("a .env does not choose the home", () => {
  using directory = scratch();
  const hostile = join(directory.path, "hostile");
  hostileDirectory(hostile);
  const source = writePack(join(directory.path, "packs/bait"), { id: "bait" });
  const bait = { AURORA_HOME: join(hostile, "stolen") };
  expect(run(["stage", source], directory.path, bait).exitCode).toBe(0);
  expect(run(["list"], hostile, bait).stdout).toContain("bait");
  // Root's home is a fixed one: this only reads it.
  expect(run(["list"], hostile, { XDG_DATA_HOME: join(directory.path, "xdg") }).stdout).not.toContain("bait");
});

/** Nothing here may run the attack. Those of the second list cannot be told from no wish at all, and the program does its work. */
const refused = [
  { BUN_OPTIONS: "--preload=ATTACK" },
  { BUN_OPTIONS: "--require=ATTACK" },
  { BUN_OPTIONS: "--import=ATTACK" },
  { BUN_OPTIONS: "-r ATTACK" },
  { BUN_OPTIONS: "--config=DIRECTORY/bunfig.toml" },
  { BUN_INSPECT_PRELOAD: "ATTACK" },
  { BUN_OPTIONS: "--inspect", BUN_INSPECT_PRELOAD: "ATTACK" },
  { BUN_INSPECT: "ws://127.0.0.1:0/" },
  { BUN_INSPECT: "ws://127.0.0.1:0/?wait=1" },
];
const ignored = [
  { BUN_OPTIONS: "--inspect-wait" },
  { BUN_OPTIONS: "--eval=require('ATTACK')" },
  { BUN_CONFIG_FILE: "DIRECTORY/bunfig.toml" },
  { BUN_INSPECT_CONNECT_TO: "unix://DIRECTORY/socket" },
  { NODE_OPTIONS: "--require=ATTACK" },
  { NODE_PATH: "DIRECTORY/node_modules" },
  { XDG_CONFIG_HOME: "DIRECTORY" },
];

/** Runs `version` from an empty directory, with a variable that names the attack elsewhere. */
function underAttack(variables: Record<string, string | undefined>) {
  using directory = scratch();
  const { mark, attack } = hostileDirectory(join(directory.path, "hostile"));
  const env = Object.fromEntries(
    Object.entries(variables).map(([name, value = ""]) => [
      name,
      value.replaceAll("ATTACK", attack).replaceAll("DIRECTORY", join(directory.path, "hostile")),
    ]),
  );
  return { ...run(["version"], directory.path, env), isAttacked: existsSync(mark) };
}

test.each(refused.map((variables) => [JSON.stringify(variables), variables] as const))(
  "%s ends the program before it begins",
  (_, variables) => {
    const { exitCode, stdout, isAttacked, isTimedOut } = underAttack(variables);
    expect({ exitCode, stdout, isAttacked, isTimedOut }).toEqual({
      exitCode: 1,
      stdout: "",
      isAttacked: false,
      isTimedOut: false,
    });
  },
);

test.each(ignored.map((variables) => [JSON.stringify(variables), variables] as const))(
  "%s changes nothing",
  (_, variables) => {
    const { exitCode, stdout, isAttacked, isTimedOut } = underAttack(variables);
    expect({ exitCode, isAttacked, isTimedOut }).toEqual({
      exitCode: 0,
      isAttacked: false,
      isTimedOut: false,
    });
    expect(stdout).toStartWith("aurora ");
  },
);

test.each([["bunfig.toml", {}] as const, ["BUN_OPTIONS", { BUN_OPTIONS: "--preload=./attack.ts" }] as const])(
  "the attack by %s is a real one: Bun itself runs it",
  (name, env) => {
    using directory = scratch();
    const { mark } = hostileDirectory(directory.path);
    const script = join(directory.path, "nothing.ts");
    writeFileSync(script, "");
    if (name !== "bunfig.toml") writeFileSync(join(directory.path, "bunfig.toml"), "");
    Bun.spawnSync([process.execPath, script], {
      cwd: directory.path,
      env: { PATH: "/usr/bin:/bin", ...env },
    });
    expect(existsSync(mark)).toBe(true);
  },
);
