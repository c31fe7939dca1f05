/** The rules of the house, checked on the source itself. A rule that is not here is not a rule. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

import { Glob } from "bun";

import { commands } from "../src/commands/table.ts";

const root = join(import.meta.dir, "..");
const files = [...new Glob("src/**/*.ts").scanSync(root)].toSorted();
const textOf = (file: string) => readFileSync(join(root, file), "utf8");

/** Top to bottom. A file may import from its own folder and from layers below, never from above or beside. */
const layers = [
  ["main.ts"],
  ["cli"],
  ["commands"],
  ["daemon"],
  ["supervisor", "lifecycle"],
  ["manifest", "store", "registry", "vfs", "scheduler", "process"],
  ["system"],
  ["errors.ts"],
];
const folderOf = (file: string) => file.split("/")[1] ?? "";
const layerOf = (file: string) => layers.findIndex((names) => names.includes(folderOf(file)));

type Import = { path: string; isDynamic: boolean; isType: boolean };
const IMPORT =
  /^\s*(?:import|export)\s+(type\s)?[^"';]*?from\s*"([^"]+)"|^\s*import\s*"([^"]+)"|\bimport\("([^"]+)"\)/gm;
function importsOf(file: string): Import[] {
  return [...textOf(file).matchAll(IMPORT)].map((match) => ({
    path: (match[2] ?? match[3] ?? match[4]) as string,
    isDynamic: match[4] !== undefined,
    isType: match[1] !== undefined || /\{\s*type [^,}]*(,\s*type [^,}]*)*,?\s*\}/.test(match[0]),
  }));
}
const resolveImport = (file: string, path: string) => normalize(join(dirname(file), path));

describe("layers", () => {
  test.each(files)("%s", (file) => {
    expect(layerOf(file), `${file} is in no layer`).not.toBe(-1);
    const wrong = importsOf(file)
      .filter(({ path }) => path.startsWith("."))
      .map(({ path }) => resolveImport(file, path))
      .filter((other) => folderOf(other) !== folderOf(file) && layerOf(other) <= layerOf(file));
    expect(wrong, `${file} may not import these`).toEqual([]);
  });
});

test("start-up loads cac and node:fs, and nothing else", () => {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const { path, isDynamic, isType } of importsOf(file)) {
      if (isDynamic || isType) continue;
      if (path.startsWith(".")) visit(resolveImport(file, path));
      else packages.add(path);
    }
  };
  visit("src/main.ts");
  expect([...packages].toSorted()).toEqual(["cac", "node:fs"]);
});

test("each package has one home", () => {
  const homes: Record<string, string[]> = {
    cac: ["cli"],
    consola: ["cli"],
    yaml: ["manifest"],
    valibot: ["manifest", "daemon"],
    "@valibot/to-json-schema": ["manifest", "daemon"],
    ignore: ["store"],
    "bun:sqlite": ["registry"],
    "bun:ffi": ["system"],
  };
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter(({ path }) => {
        const name = path.startsWith("@") ? path.split("/").slice(0, 2).join("/") : path.split("/", 1)[0];
        const allowed = homes[path.includes(":") ? path : (name ?? "")];
        return allowed !== undefined && !allowed.includes(folderOf(file));
      })
      .map(({ path }) => `${file}: ${path}`),
  );
  expect(wrong).toEqual([]);
});

describe("banned in src", () => {
  const bans: [name: string, pattern: RegExp, except: string[]][] = [
    ["process.stdout", /process\.stdout/, []],
    ["process.stderr", /process\.stderr/, []],
    ["console.*", /\bconsole\.\w/, []],
    ["the default consola", /from "consola"/, []],
    ["Bun.write to stdout", /Bun\.write\(Bun\.std/, []],
    ["process.exit()", /process\.exit\(/, []],
    ["process.env outside cli", /process\.env/, ["src/cli/"]],
    ["default exports", /^export default/m, []],
    ["barrels", /^export (\*|\{[^}]*\}) from/m, []],
  ];
  test.each(bans)("%s", (_name, pattern, except) => {
    const code = (file: string) => textOf(file).replace(/^\s*(\*|\/\/|\/\*\*).*$/gm, "");
    const wrong = files.filter(
      (file) => !except.some((prefix) => file.startsWith(prefix)) && pattern.test(code(file)),
    );
    expect(wrong).toEqual([]);
  });
});

/** Anybody may set the clock on the wall, back or by a year, so it is looked at for what is shown; what else is decided by it says why. */
test("who in the daemon looks at the wall clock", () => {
  const readers: Record<string, string> = {
    "src/daemon/confirmation-watch.ts": "a deadline over a reboot, which the monotonic clock does not know",
    "src/daemon/jobs/job-service.ts": "jobs of a calendar; the clock is passed in, and watched for being set",
    "src/daemon/jobs/job-view.ts": "shown",
    "src/daemon/jobs/own-jobs.ts": "shown, and noted with a job that is added",
    "src/daemon/jobs/run-keeper.ts": "when a run is tried again, which has to outlive a reboot",
    "src/daemon/jobs/run-once.ts": "noted with a run",
    "src/daemon/run-daemon.ts": "shown, and a deadline over a reboot",
    "src/daemon/service-keeper.ts": "whether a start has just been: a moment is waited for more or less",
    "src/supervisor/log-keeper.ts": "shown: the times of lines",
    "src/supervisor/oom-watch.ts": "shown",
    "src/supervisor/service-instance.ts": "shown",
    "src/supervisor/service-view.ts": "shown",
    "src/supervisor/supervisor.ts": "shown",
  };
  const looks = /\bDate\.now\(\)|\bnew Date\(\)|\bwallMs\(\)|(?<!performance)\.now\(\)|(?<![.\w])now\(\)/;
  const found = files.filter((file) => /^src\/(daemon|supervisor)\//.test(file) && looks.test(textOf(file)));
  expect(found).toEqual(Object.keys(readers));
});

test("files are kebab-case and not called utils, helpers, common or manager", () => {
  const wrong = files.filter(
    (file) =>
      !/^src\/([a-z0-9-]+\/)*[a-z0-9-]+\.ts$/.test(file) || /\b(utils?|helpers?|common|manager)\b/.test(file),
  );
  expect(wrong).toEqual([]);
});

describe("every command has a file, a test, an example and a summary", () => {
  test.each(commands.map((spec) => [spec.name, spec] as const))(
    "%s",
    (name, { summary, examples, hidden }) => {
      const file = name.replace(" ", "/");
      expect(existsSync(join(root, `src/commands/${file}.ts`)), `src/commands/${file}.ts`).toBe(true);
      if (!hidden)
        expect(existsSync(join(root, `test/commands/${file}.test.ts`)), `test/commands/${file}.test.ts`).toBe(
          true,
        );
      expect(summary).toMatch(/^[A-Z].*[^.]$/);
      expect(examples.length).toBeGreaterThan(0);
      for (const example of examples) expect(example).toContain(name);
    },
  );
});

test("every file in src/commands belongs to a command or is shared by several", () => {
  const shared = ["command.ts", "table.ts"];
  const owned = commands.map(({ name }) => `${name.replace(" ", "/")}.ts`);
  const strays = files
    .filter((file) => file.startsWith("src/commands/") && !file.startsWith("src/commands/shared/"))
    .map((file) => file.slice("src/commands/".length))
    .filter((file) => !owned.includes(file) && !shared.includes(file));
  expect(strays).toEqual([]);
});
