/** What is read without the yaml package is what the package makes of it, and nothing else is read so. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { readSimpleYaml } from "../../src/manifest/simple-yaml.ts";
import { type SourceNode } from "../../src/manifest/source-node.ts";
import { readYaml } from "../../src/manifest/yaml-text.ts";

/** More rounds for a long run: `AURORA_FUZZ_ROUNDS=1000000 bun test test/manifest/simple-yaml.test.ts`. */
const rounds = Number(Bun.env["AURORA_FUZZ_ROUNDS"] ?? 10_000);
const seed = Number(Bun.env["AURORA_FUZZ_SEED"] ?? 20_261_130);

/** A node without the places of its values. */
function withoutPlaces(node: SourceNode): unknown {
  if (node.kind === "scalar") return { value: node.value, isPlain: node.isPlain };
  if (node.kind === "list") return node.items.map(withoutPlaces);
  return { entries: node.entries.map(({ key, value }) => [key, withoutPlaces(value)]) };
}

/** What the package makes of a text; undefined for one that it finds fault with. */
function byPackage(text: string): unknown {
  const { root, syntax, faults } = readYaml(text);
  return root && syntax.length + faults.length === 0 ? withoutPlaces(root) : undefined;
}

function simply(text: string): unknown {
  const root = readSimpleYaml(text);
  return root && withoutPlaces(root);
}

describe("these are simple", () => {
  const root = join(import.meta.dir, "../..");
  const packs = readdirSync(`${root}/packs`).map((name) => `${root}/packs/${name}/manifest.yaml`);
  const texts = packs.map((path) => readFileSync(path, "utf8"));
  test.each([
    ...texts,
    "a: b\n",
    "a: b",
    "# first\n\na: # one\n  b: 1 # two\n  # three\nc:\n",
    "a:\n- b\n- c: d\n  e:\n  - f\n  g: { h: [1, 'i', \"j: #\"], k: {} }\n",
    "a: It's (nearly) all, or 1.0\nb: 1.0.0-rc.1\nc: no\nd: ''\ne: null\nf: [true, false, two words]\n",
  ])("%j", (text) => {
    expect(simply(text)).toBeDefined();
    expect(simply(text)).toEqual(byPackage(text));
  });
});

test.each([
  ["a tab", "a:\tb\n"],
  ["CR LF", "a: b\r\n"],
  ["what is not ASCII", "a: é\n"],
  ["a key that is given twice", "a: 1\na: 2\n"],
  ["a key that is no text", "true: 1\n"],
  ["another spelling of a constant", "a: True\n"],
  ["a number that is not whole", "a: 1.5\n"],
  ["a number that is written in another way", "a: 0x1F\n"],
  ["an octal number, or none", "a: 017\n"],
  ["a text that goes on below", "a: b\n  c\n"],
  ["a mapping in a value", "a: b: c\n"],
  ["what is indented below a value", "a: b\n  c: d\n"],
  ["columns that differ", "a:\n    b: 1\n  c: 2\n"],
  ["a list beside a mapping", "a: 1\n- b\n"],
  ["a block of text", "a: |\n  b\n"],
  ["an anchor", "a: &b c\n"],
  ["an alias", "a: *b\n"],
  ["a tag", "a: !!str 1\n"],
  ["a merge key", "a: { <<: {} }\n"],
  ["an escape", 'a: "\\n"\n'],
  ["a quote in quotes", "a: 'it''s'\n"],
  ["a comma too many", "a: [1, ]\n"],
  ["braces over two lines", "a: {\n  b: 1 }\n"],
  ["a comment without a space", "a: [b]#c\n"],
  ["a directive", "%YAML 1.2\n---\na: b\n"],
  ["a second document", "a: b\n---\nc: d\n"],
  ["a list", "- a\n"],
  ["nothing", "# nothing\n"],
])("%s is left to the package", (_, text) => {
  expect(simply(text)).toBeUndefined();
});

test(`${rounds} texts that are nearly simple: read as the package does, or not at all`, () => {
  const next = seeded(seed);
  const pick = <T>(list: readonly T[]): T => list[next(list.length)] as T;
  let simple = 0;
  for (let round = 0; round < rounds; round++) {
    let text = "";
    for (let lines = 1 + next(8), indent = 0; lines > 0; lines--) {
      indent = pick([0, indent, indent, indent, indent + 2, indent + 2, Math.max(0, indent - 2), indent + 1]);
      const value = next(3) > 0 ? pick(simpleValues) : pick(values);
      const rest = pick([`${pick(keys)}:`, `${pick(keys)}: ${value}`, `${pick(keys)}: ${value}`, value]);
      const [dash, end] = [
        pick(["", "", "", "- ", "- ", "-  "]),
        pick(["\n", "\n", "\n", " \n", " # c\n", "#c\n"]),
      ];
      text += `${" ".repeat(indent)}${dash}${rest}${end}`;
    }
    const found = simply(text);
    if (found === undefined) continue;
    simple++;
    expect<unknown>({ text, found }).toEqual({ text, found: byPackage(text) });
  }
  expect(simple).toBeGreaterThan(rounds / 100);
});

const keys = [..."abcdefghijkl", "d_1", "true", "null", "A", "1", '"q"', "a b", "- a"];
const simpleValues = ["a", "two words", '"q"', "1", "1.0.0", "[a, 1]", "{ a: true }"];
const values = [
  "",
  "a",
  "two words",
  "a, b",
  "it's",
  "x (y)",
  "a - b",
  "a  b",
  "a/b.sh",
  "y",
  "no",
  "e10",
  "a#b",
  "a:b",

  "true",
  "False",
  "null",
  "~",
  "0",
  "10",
  "01",
  "-1",
  "1.5",
  "1.0.0",
  "1.0.0-rc.1",
  "1.2.3.4",
  "2 a",
  "0x1F",

  '"q: #x"',
  "'s'",
  '""',
  "'it''s'",
  '"\\n"',
  '"a" b',
  "|",
  ">-",
  "&a b",
  "*a",
  "!x y",
  "@a",
  "---",
  "<<",

  "[a, 1, 'b']",
  "[]",
  "[ ]",
  "[a, ]",
  "[,]",
  "[a: b]",
  "{ a: 1, b: [x] }",
  "{}",
  "{a: 1}",
  "{ a }",
  "{a:1}",

  "{ a: 1, a: 2 }",
  "[[[[[[[[[a]]]]]]]]]",
  "[a b, 1.0.0]",
  "{ a: b c, d: 'e' }",
  "[True]",
  "[a",
  "a]",
  "{ b: [ }",
];

/** A small generator with a seed (Numerical Recipes), so that a failure can be seen again. */
function seeded(state: number): (bound: number) => number {
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}
