/** What lies in the current directory, or in the environment, must never make the compiled program run somebody's code. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { aurora, scratch } from "../support/aurora.ts";
import { writePack } from "../support/test-pack.ts";

const isCompiled = Bun.env["AURORA_BINARY"] !== undefined;
const configuration = ["bunfig.toml", ".env", ".env.local", "package.json", "tsconfig.json", ".npmrc"];

/** A directory whose every configuration file tries to run `attack.ts`, which leaves a mark, or to change the environment. */
function hostileDirectory(path: string) {
  const mark = join(path, "mark");
  const attack = join(path, "attack.ts");
  mkdirSync(path, { recursive: true });
  writeFileSync(attack, `require("node:fs").writeFileSync(${JSON.stringify(mark)}, "attacked");`);
  writeFileSync(
    join(path, "bunfig.toml"),
    `preload = ["./attack.ts"]\n[run]\npreload = ["./attack.ts"]\n[test]\npreload = ["./attack.ts"]\n`,
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

// From sources, the Bun that runs the tests reads these files itself: only the compiled program promises this.
describe.skipIf(!isCompiled)(
  "the compiled program (skipped without AURORA_BINARY: there is no compiled program)",
  () => {
    test(`a hostile current directory (${configuration.join(", ")}) runs nothing and sets nothing`, async () => {
      using directory = scratch();
      const { mark } = hostileDirectory(join(directory.path, "here"));
      const home = join(directory.path, "home");
      const source = writePack(join(directory.path, "packs/app"), {
        id: "app",
        start: 'echo "leaked: ${LEAKED-no}" > data/leaked',
        stop: null,
        health: null,
      });
      const options = { cwd: join(directory.path, "here"), home };
      for (const argv of [
        ["version"],
        ["list"],
        ["check", source],
        ["device"],
        ["install", source, "--approve"],
      ])
        expect(await aurora(argv, options)).toMatchObject({ exitCode: 0 });
      expect(existsSync(mark)).toBe(false);
      expect(readFileSync(join(home, "data/app/leaked"), "utf8")).toBe("leaked: no\n");
    });

    test("without AURORA_HOME, a .env does not choose the home", async () => {
      using directory = scratch();
      hostileDirectory(directory.path);
      const result = await aurora(["recover"], {
        cwd: directory.path,
        env: { XDG_DATA_HOME: join(directory.path, "xdg") },
      });
      expect(existsSync(join(directory.path, "stolen"))).toBe(false);
      expect(result.stdout).not.toContain("stolen");
    });

    test.each(["--preload=ATTACK", "--require=ATTACK", "--import=ATTACK", "-r ATTACK"])(
      "BUN_OPTIONS=%s runs nothing",
      async (value) => {
        using directory = scratch();
        const { mark, attack } = hostileDirectory(directory.path);
        await aurora(["version"], {
          cwd: directory.path,
          env: { BUN_OPTIONS: value.replace("ATTACK", attack) },
        });
        expect(existsSync(mark)).toBe(false);
      },
    );
  },
);

test("the attack is a real one: Bun itself runs it from such a directory", () => {
  using directory = scratch();
  const { mark } = hostileDirectory(directory.path);
  const script = join(directory.path, "nothing.ts");
  writeFileSync(script, "");
  Bun.spawnSync([process.execPath, script], { cwd: directory.path });
  expect(existsSync(mark)).toBe(true);
});
