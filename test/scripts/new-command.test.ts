import { expect, test } from "bun:test";
import { cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";

import { scratch } from "../support/aurora.ts";

const root = join(import.meta.dir, "../..");

function copyOfTheProject(path: string): void {
  mkdirSync(join(path, "test/commands"), { recursive: true });
  for (const name of ["src", "test/support", "package.json", "tsconfig.json", "bunfig.toml"])
    cpSync(join(root, name), join(path, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(path, "node_modules"));
}

const newCommand = (path: string, ...argv: string[]) =>
  Bun.spawnSync([process.execPath, join(root, "scripts/new-command.ts"), ...argv, "--root", path]);

test.each([
  ["greet", "Packs"],
  ["ns greet", "Services"],
  ["salute", "Tool"],
])("%s is written, runs, and its own test passes", (name, group) => {
  using project = scratch();
  copyOfTheProject(project.path);
  expect(newCommand(project.path, name, "--group", group, "--summary", "Greet a pack").exitCode).toBe(0);
  const table = readFileSync(join(project.path, "src/commands/table.ts"), "utf8");
  expect([...table.matchAll(/group: "(\w+)"/g)].map((match) => match[1])).toEqual(
    ["Packs", "Running", "Services", "Tool"].flatMap((known) =>
      Array.from({ length: table.split(`group: "${known}"`).length - 1 }, () => known),
    ),
  );
  const checked = Bun.spawnSync([process.execPath, "check", "--no-script"], { cwd: project.path });
  expect(checked.exitCode, checked.stdout.toString() + checked.stderr.toString()).toBe(0);
  const file = `./test/commands/${name.replace(" ", "/")}.test.ts`;
  const env = { ...process.env };
  delete env["AURORA_BINARY"];
  const ran = Bun.spawnSync([process.execPath, "test", "--timeout", "60000", file], {
    cwd: project.path,
    env,
  });
  expect(ran.stderr.toString()).toContain(" 1 pass\n 0 fail\n");
  expect(newCommand(project.path, name, "--summary", "Again").exitCode).toBe(2);
});
