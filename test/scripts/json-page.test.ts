import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { commands } from "../../src/commands/table.ts";
import { aurora } from "../support/aurora.ts";
import { testHome } from "../support/test-home.ts";

const page = readFileSync(join(import.meta.dir, "../../docs/json.md"), "utf8");
const TIMEOUT_MS = 180_000;

/** A document of the page: undefined for what may hold anything. */
type Shape = undefined | { list: Shape } | { keys: Map<string, { isOptional: boolean; shape: Shape }> };

/** `{pack_id, packs: [{path, hint?}]}`: the notation of the page. */
function parseShape(text: string): Shape {
  let at = 0;
  const skip = (sign: string): boolean => {
    const isThere = text.startsWith(sign, at);
    if (isThere) at += sign.length;
    return isThere;
  };
  const need = (sign: string): void => {
    if (!skip(sign)) throw new Error(`${sign} is missing at column ${at} of ${text}`);
  };
  const parse = (): Shape => {
    if (skip("…")) return undefined;
    if (skip("[")) {
      const list = parse();
      need("]");
      return { list };
    }
    need("{");
    const keys = new Map<string, { isOptional: boolean; shape: Shape }>();
    do {
      const [key = ""] = /^\w*/.exec(text.slice(at)) ?? [];
      at += key.length;
      const isOptional = skip("?");
      keys.set(key, { isOptional, shape: skip(": ") ? parse() : undefined });
    } while (skip(", "));
    need("}");
    return { keys };
  };
  const shape = parse();
  if (at !== text.length) throw new Error(`what is "${text.slice(at)}" in ${text}?`);
  return shape;
}

/** Where a document is not what the page says of it. */
function differences(value: unknown, shape: Shape, place = "it"): string[] {
  if (shape === undefined || value === null) return [];
  if ("list" in shape) {
    if (!Array.isArray(value)) return [`${place} is no list`];
    return value.flatMap((item, i) => differences(item, shape.list, `${place}[${i}]`));
  }
  if (typeof value !== "object" || Array.isArray(value)) return [`${place} has no keys`];
  const entries = Object.entries(value);
  const unknown = entries.filter(([key]) => !shape.keys.has(key)).map(([key]) => `${place} also has ${key}`);
  const missing = [...shape.keys]
    .filter(([key, { isOptional }]) => !isOptional && !Object.hasOwn(value, key))
    .map(([key]) => `${place} lacks ${key}`);
  const inner = entries.flatMap(([key, item]) =>
    differences(item, shape.keys.get(key)?.shape, `${place}.${key}`),
  );
  return [...unknown, ...missing, ...inner];
}

const lines = [...page.matchAll(/^- (`[^`{[]+`(?: `[^`{[]+`)*): (?:`([[{…][^`]*)`)?/gm)];
const shapes = new Map(
  lines.flatMap(([, names = "", shape]) =>
    [...names.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => [name, shape] as const),
  ),
);
const ofOptions = new Map(
  [...page.matchAll(/`(exec --[a-z]+)` `([^`]+)`/g)].map(([, name = "", shape = ""]) => [name, shape]),
);

test("docs/json.md says of every command what it prints", () => {
  const names = commands.filter(({ hidden }) => !hidden).map(({ name }) => name);
  expect([...shapes.keys()].toSorted()).toEqual(names.toSorted());
  for (const shape of [...shapes.values(), ...ofOptions.values()])
    if (shape !== undefined) expect(() => parseShape(shape)).not.toThrow();
});

test(
  "and it is so",
  async () => {
    await using t = testHome();
    t.write({ id: "base" });
    t.write({
      id: "app",
      manifest: '  dependencies: [{ pack_id: base, version_constraint: "*" }]',
      test: "true",
    });
    t.write({ id: "bad", manifest: "  nonsense: 1" });
    writeFileSync(`${t.packs}/one.ts`, "console.log(1)");
    const tried = new Set<string>();
    const check = async (argv: readonly string[], name = nameOf(argv)): Promise<unknown> => {
      const before = argv.indexOf("--");
      const words = before === -1 ? argv : argv.slice(0, before);
      const rest = before === -1 ? [] : argv.slice(before);
      const { stdout, stderr } = await aurora(
        argv[0] === "run" ? ["run", "--json", ...argv.slice(1)] : [...words, "--json", ...rest],
        { home: t.home, cwd: dirname(t.packs), env: { AURORA_PACKS: t.packs }, stdin: "a line\n" },
      );
      const shape = parseShape(ofOptions.get(name) ?? shapes.get(name) ?? "");
      expect({ argv, stderr, differences: differences(JSON.parse(stdout), shape) }).toEqual({
        argv,
        stderr: expect.any(String),
        differences: [],
      });
      tried.add(name);
      return JSON.parse(stdout) as unknown;
    };
    const inTurn = async (...list: string[]): Promise<void> => {
      for (const line of list) await check(line.split(" "));
    };
    const together = (...list: string[]) => Promise.all(list.map((line) => check(line.split(" "))));
    await inTurn("init new_pack", "seal app", "stage app");
    await together("check app bad", "dry-run app", "test app", "plan app", "scan packs", "device", "version");
    await inTurn("install app", "ensure app");
    t.write({ id: "app", version: "2.0.0" });
    await inTurn("install app --confirm-within 1h", "confirm app", "rollback app");
    await inTurn("activate app --generation 2", "env set app A=1 B");
    await together("verify", "list", "show app", "history app", "why app", "diff app --from 1 --to 2");
    await together(
      "deps app",
      "deps base",
      "env list app",
      "env list app --show-values",
      "status",
      "logs app",
    );
    await together("health", "events", "wait app --for running", "help", "completions bash", "doctor");
    await inTurn("gc", "env unset app A", "stop app", "start app", "restart app", "signal app CONT");
    await check(["exec", "app", "--background", "--", "sleep", "60"], "exec --background");
    const [{ id }] = (await check(["exec", "app", "--list"], "exec --list")) as [{ id: string }];
    await check(["exec", "app", "--explain", "--", "true"], "exec --explain");
    await check(["exec", "app", "--kill", id], "exec --kill");
    await inTurn("vfs write app /d/f", "vfs append app /d/f", "vfs mkdir app /e", "vfs cp app /d/f /h");
    await inTurn("vfs mv app /d/f /g", "vfs rm app /h", "vfs ln app g /l", "vfs chmod app +x /g");
    await together("vfs cat app /g", "vfs ls app", "vfs tree app", "vfs stat app /d", "vfs readlink app /l");
    await together(
      "vfs glob app *",
      "vfs lock app /k -- true",
      "vfs df app",
      "vfs mounts app",
      "exec app -- true",
    );
    await inTurn(
      "vfs import app packs/base /i",
      "ns register app",
      "schedule add app --name j --every 1h -- true",
    );
    await together("ns get app", "ns list", "schedule list", "schedule next", "run packs/one.ts");
    await check(["schedule", "explain", "0 3 * * *"]);
    await inTurn(
      "schedule run app j",
      "schedule history app",
      "schedule pause app j",
      "schedule resume app j",
    );
    await inTurn(
      "schedule remove app j",
      "ns unregister app",
      "daemon status",
      "daemon reload",
      "daemon stop",
    );
    await inTurn("recover", "remove app --purge");
    const untried = [...shapes].filter(([name, shape]) => shape !== undefined && !tried.has(name));
    // A supervisor has to listen; changes have to come.
    expect(untried.map(([name]) => name)).toEqual(["notify", "vfs watch", "ns watch"]);
  },
  TIMEOUT_MS,
);

function nameOf(argv: readonly string[]): string {
  const two = argv.slice(0, 2).join(" ");
  return shapes.has(two) ? two : (argv[0] ?? "");
}
