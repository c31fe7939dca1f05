import { describe, expect, test } from "bun:test";

import { AuroraError } from "../../src/errors.ts";
import { MAX_ALIASED_NODES, MAX_DEPTH, MAX_MANIFEST_BYTES, MAX_TOKENS } from "../../src/manifest/limits.ts";
import { parseManifest } from "../../src/manifest/parse.ts";
import { plainValue } from "../../src/manifest/source-node.ts";
import { readYaml } from "../../src/manifest/yaml-text.ts";

const valueOf = (text: string) => {
  const { root, syntax, faults } = readYaml(text);
  expect({ syntax, faults }).toEqual({ syntax: [], faults: [] });
  return root === undefined ? undefined : plainValue(root);
};
const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

/** What the whole reader says of a text: "line:column message | hint", and the error's code. */
function refused(text: string): { code: string; faults: string[] } {
  try {
    parseManifest(Buffer.from(text), "m", "yaml");
  } catch (thrown) {
    if (!(thrown instanceof AuroraError)) throw thrown;
    const { code, diagnostics } = thrown;
    const faults = diagnostics.map(
      ({ message, source, hint }) =>
        `${source?.line}:${source?.column} ${message}${hint ? ` | ${hint}` : ""}`,
    );
    return { code, faults };
  }
  throw new Error("the text was taken");
}

test("scalars are those of YAML 1.2's core schema: no is text, and so are times and dates", () => {
  expect(
    plain(valueOf("[no, yes, on, 12:30:45, 2020-01-01, 1_000, 0x1F, 0o17, 1e3, ~, null, True, 'x']")),
  ).toEqual(["no", "yes", "on", "12:30:45", "2020-01-01", "1_000", 31, 15, 1000, null, null, true, "x"]);
});

test("keys are text, whatever they look like", () => {
  expect(plain(valueOf('1: a\ntrue: b\n"q": c\n? long\n: d\n'))).toEqual({
    1: "a",
    true: "b",
    q: "c",
    long: "d",
  });
});

test("aliases stand for copies", () => {
  expect(plain(valueOf("a: &x [1, &y {b: 2}]\nc: *x\nd: *y\n"))).toEqual({
    a: [1, { b: 2 }],
    c: [1, { b: 2 }],
    d: { b: 2 },
  });
});

test("an anchor that is set again stands for the last value before the alias", () => {
  expect(plain(valueOf("a: &x 1\nb: *x\nc: &x 2\nd: *x\n"))).toEqual({ a: 1, b: 1, c: 2, d: 2 });
});

describe("what is no YAML", () => {
  test.each([
    ["a tab as indentation", "pack:\n\tid: a\n", ["2:1 tabs may not indent | indent with spaces"]],
    ["a tab after spaces", "pack:\n  \tid: a\n", ["2:3 tabs may not indent | indent with spaces"]],
    ["an open bracket", "pack: [a,\n", ['1:10 the closing "]" is missing, or stands too far to the left']],
    ["an open quote", 'pack: "a\n', ["1:9 the closing quote is missing"]],
    [
      "a colon in a plain value",
      "a: b: c\n",
      [
        '1:4 a second ":" on one line makes a mapping inside a value | put a value that holds ": " in quotes, or begin the mapping on its own line',
      ],
    ],
    [
      "a reserved character",
      "a: @b\n",
      ["1:4 no value may begin with @ or ` outside quotes | put the value in quotes"],
    ],
    [
      "an unknown escape",
      'a: "\\q"\n',
      ['1:5 there is no such escape in double quotes | write "\\\\" for a backslash, or use single quotes'],
    ],
    [
      "slips on two lines",
      "a: @b\nc: `d\n",
      [
        "1:4 no value may begin with @ or ` outside quotes | put the value in quotes",
        "2:4 no value may begin with @ or ` outside quotes | put the value in quotes",
      ],
    ],
    [
      "two documents",
      "a: 1\n---\nb: 2\n",
      ['2:1 a second document begins here, and a manifest is one | remove "---" and what follows it'],
    ],
    [
      "two documents, the second empty",
      "a: 1\n---\n",
      ['2:1 a second document begins here, and a manifest is one | remove "---" and what follows it'],
    ],
    [
      "a binary tag",
      "a: !!binary aGk=\n",
      ['1:4 tags such as "!!binary" are not part of a manifest | leave the tag out, and put text in quotes'],
    ],
    [
      "a JavaScript tag",
      "a: !!js/function 'x'\n",
      [
        '1:4 tags such as "!!js/function" are not part of a manifest | leave the tag out, and put text in quotes',
      ],
    ],
    [
      "a tag on a mapping",
      "a: !x\n  b: 1\n",
      ['1:4 tags such as "!x" are not part of a manifest | leave the tag out, and put text in quotes'],
    ],
    [
      "a directive",
      "%YAML 1.1\n---\na: yes\n",
      ["1:1 directives are not part of a manifest: it is YAML 1.2 | remove this line"],
    ],
  ])("%s", (_name, text, faults) => {
    expect(refused(text)).toEqual({ code: "manifest-syntax", faults });
  });

  test("a document's own marks are fine", () => {
    expect(plain(valueOf("---\na: 1\n...\n"))).toEqual({ a: 1 });
  });
});

describe("what is YAML and no manifest", () => {
  const rest = 'schema_version: aurora-manifest-v1\npack:\n  id: a\n  name: A\n  version: "1.0.0"\n';
  test.each([
    [
      "a key twice",
      `${rest}  id: b\n`,
      ['6:3 the key "id" stands here for the second time | keep one of the two'],
    ],
    [
      "a merge key",
      `x-a: &a { env: {} }\n${rest}  <<: *a\n`,
      ['7:3 merge keys ("<<") are not part of a manifest | write the keys out'],
    ],
    [
      "an alias without an anchor",
      `${rest}  x-a: *b\n`,
      ['6:8 cannot resolve the alias "*b": there is no such anchor before it'],
    ],
    [
      "an alias of a later anchor",
      `${rest}  x-a: *b\n  x-b: &b 1\n`,
      ['6:8 cannot resolve the alias "*b": there is no such anchor before it'],
    ],
    [
      "an alias inside itself",
      `${rest}  x-a: &b [*b]\n`,
      ['6:12 cannot resolve the alias "*b": it holds itself'],
    ],
    ["a list as a key", `${rest}  ? [a]\n  : 1\n`, ["6:5 a key has to be a single word"]],
    ["nothing as a key", `${rest}  : 1\n`, ["6:5 a key has to be a single word"]],
    ["an alias as a key", `x-a: &a b\n${rest}  *a : 1\n`, ["7:3 a key has to be a single word"]],
  ])("%s", (_name, text, faults) => {
    expect(refused(text)).toEqual({ code: "manifest-invalid", faults });
  });

  test("a quoted << is a key like others", () => {
    expect(plain(valueOf('"<<": 1\n'))).toEqual({ "<<": 1 });
  });
});

describe("limits", () => {
  test("levels", () => {
    const nested = (levels: number) => `${"[".repeat(levels)}1${"]".repeat(levels)}`;
    expect(readYaml(nested(MAX_DEPTH)).root).toBeDefined();
    expect(readYaml(nested(MAX_DEPTH + 1)).syntax).toMatchObject([
      { message: "this is nested deeper than 32 levels", start: 32 },
    ]);
    const blocks = (levels: number) =>
      Array.from({ length: levels }, (_, i) => `${" ".repeat(i)}a:\n`).join("");
    expect(readYaml(`${blocks(MAX_DEPTH)}${" ".repeat(MAX_DEPTH)}b\n`).root).toBeDefined();
    expect(readYaml(blocks(MAX_DEPTH + 1)).syntax).toHaveLength(1);
  });

  test("levels that only aliases make", () => {
    const text = Array.from(
      { length: MAX_DEPTH + 1 },
      (_, i) => `a${i}: &a${i} [${i === 0 ? 1 : `*a${i - 1}`}]\n`,
    ).join("");
    expect(readYaml(text).syntax).toMatchObject([{ message: "this is nested deeper than 32 levels" }]);
  });

  test("values that aliases stand for", () => {
    const text = (aliases: number) => `a: &a [${"1, ".repeat(98)}1]\nb: [${"*a, ".repeat(aliases - 1)}*a]\n`;
    expect(readYaml(text(MAX_ALIASED_NODES / 100)).root).toBeDefined();
    expect(readYaml(text(MAX_ALIASED_NODES / 100 + 1)).syntax).toMatchObject([
      { message: "aliases stand for more than 10000 values here" },
    ]);
  });

  test("ten thousand laughs end at once", () => {
    const names = "abcdefghijklmnop";
    const bomb = [...names].map(
      (name, i) =>
        `${name}: &${name} [${Array.from({ length: 9 }, () => (i === 0 ? "lol" : `*${names[i - 1]}`)).join(", ")}]\n`,
    );
    expect(readYaml(bomb.join("")).syntax).toMatchObject([
      { message: "aliases stand for more than 10000 values here" },
    ]);
  });

  test("tokens", () => {
    expect(readYaml(`[${"1,".repeat(MAX_TOKENS)}]`).syntax).toMatchObject([
      { message: "there are more than 300000 words and signs up to here" },
    ]);
  });

  // Each of these took the yaml package seconds, or all of its stack, before the tokens were looked at.
  test.each([
    ["brackets", "["],
    ["braces", "{a: "],
    ["dashes", "- "],
    ["question marks", "? "],
    ["colons", ": "],
    ["anchors", "&a "],
    ["tags", "! "],
    ["quotes", '"'],
    ["documents", "---\n"],
    ["directives", "%a\n"],
    ["empty lines", "\n"],
    ["tabs", "\t"],
    ["plain words", "a "],
    ["plain lines", "a\n"],
  ])("a megabyte of %s is refused", (_name, unit) => {
    const text = unit.repeat(Math.floor(MAX_MANIFEST_BYTES / unit.length));
    expect(refused(text).code).toStartWith("manifest-");
  });
});
