import { describe, expect, test } from "bun:test";

import { readJson } from "../../src/manifest/json-text.ts";
import { MAX_DEPTH, MAX_MANIFEST_BYTES } from "../../src/manifest/limits.ts";
import { plainValue } from "../../src/manifest/source-node.ts";

const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

/** The first fault of a text: "offset+length message | hint". */
function faultOf(text: string): string | undefined {
  const fault = readJson(text).syntax[0];
  return (
    fault &&
    `${fault.start}+${fault.end - fault.start} ${fault.message}${fault.hint ? ` | ${fault.hint}` : ""}`
  );
}

test("what JSON.parse reads is read the same", () => {
  for (const text of [
    '{"a":[1,-2.5e+3,0,true,false,null,"x"],"b":{"c":{}},"":[]}',
    ' [ "\\u00e9\\n\\"\\\\\\/\\ud83d\\ude00" , "é😀" ]\n',
    "0",
    '"a"',
    "1E9",
    "-0",
  ]) {
    const { root, syntax, faults } = readJson(text);
    expect({ syntax, faults }).toEqual({ syntax: [], faults: [] });
    expect(plain(plainValue(root as NonNullable<typeof root>))).toEqual(plain(JSON.parse(text)));
  }
});

test("an empty text has no value", () => {
  expect(readJson(" \n")).toEqual({ root: undefined, syntax: [], faults: [] });
});

describe("what is not JSON says what it is", () => {
  test.each([
    ["a comment", '{ // x\n"a": 1}', "2+2 JSON has no comments | remove it, or write manifest.yaml"],
    ["a block comment", "/* x */ {}", "0+2 JSON has no comments | remove it, or write manifest.yaml"],
    ["a shell comment", "{\n# x\n}", "2+1 JSON has no comments | remove it, or write manifest.yaml"],
    ["a comma before a brace", '{"a": 1,}', '7+1 JSON has no comma before "}"'],
    ["a comma before a bracket", "[1, ]", '2+1 JSON has no comma before "]"'],
    ["two commas", "[1,,2]", "3+1 a value is missing or is no JSON"],
    ["single quotes", "{'a': 1}", '1+3 JSON has no single quotes | write "…"'],
    ["a bare key", "{pack: 1}", "1+4 a key in double quotes is missing"],
    ["a bare word", '{"a": yes}', "6+3 a value is missing or is no JSON"],
    ["NaN", "[NaN]", "1+3 a value is missing or is no JSON"],
    ["a leading zero", "[01]", "1+2 a value is missing or is no JSON"],
    ["a plus sign", "[+1]", "1+2 a value is missing or is no JSON"],
    ["a hexadecimal number", "[0x1F]", "1+4 a value is missing or is no JSON"],
    ["a point without digits", "[1.]", "1+2 a value is missing or is no JSON"],
    ["no colon", '{"a" 1}', '5+1 ":" is missing after the key'],
    ["no comma", '{"a": 1 "b": 2}', '8+1 "," or "}" is missing'],
    ["a line break in a string", '["a\nb"]', "1+1 the closing quote is missing on this line"],
    ["an unknown escape", '["a\\x"]', "3+1 there is no such escape in JSON"],
    ["an end too early", '{"a": [1', '8+1 the file ends too early: "," or "]" is missing'],
    ["a key without a value", '{"a":', "5+1 the file ends too early: a value is missing or is no JSON"],
    ["something after the end", "{} {}", "3+1 nothing may follow the closing bracket of the manifest"],
    ["a bracket of the other kind", "[1}", '2+1 "," or "]" is missing'],
    ["a byte order mark inside", "[\ufeff1]", "1+1 a value is missing or is no JSON"],
    ["a space that is none of JSON's", "[\u00a01]", "1+1 a value is missing or is no JSON"],
  ])("%s", (_name, text, fault) => {
    expect(faultOf(text)).toBe(fault);
    expect(() => JSON.parse(text) as unknown).toThrow();
  });
});

test("a key twice is a fault, and the first counts", () => {
  const { root, faults } = readJson('{"a": 1, "a": 2, "\\u0061": 3}');
  expect(plain(plainValue(root as NonNullable<typeof root>))).toEqual({ a: 1 });
  expect(faults).toEqual([
    {
      start: 9,
      end: 12,
      message: 'the key "a" stands here for the second time',
      hint: "keep one of the two",
    },
    {
      start: 17,
      end: 25,
      message: 'the key "a" stands here for the second time',
      hint: "keep one of the two",
    },
  ]);
});

test("levels have a limit", () => {
  const nested = (levels: number) => `${"[".repeat(levels)}1${"]".repeat(levels)}`;
  expect(faultOf(nested(MAX_DEPTH))).toBeUndefined();
  expect(faultOf(nested(MAX_DEPTH + 1))).toBe("32+1 this is nested deeper than 32 levels");
});

test.each(["[", '{"a":', '"', '"a\\n', "1", "a", "\\", '[""', "/*"])(
  "a megabyte of %j is refused",
  (unit) => {
    const text = unit.repeat(Math.floor(MAX_MANIFEST_BYTES / unit.length));
    const { root, syntax } = readJson(text);
    // A number of a million digits is JSON, and infinite: the schema refuses it.
    if (unit === "1") expect(root).toMatchObject({ kind: "scalar", value: Number.POSITIVE_INFINITY });
    else expect(syntax).toHaveLength(1);
  },
);

test("a string of a megabyte is read", () => {
  for (const unit of ["a", "\\n", "\\u00e9"]) {
    const text = `"${unit.repeat(Math.floor((MAX_MANIFEST_BYTES - 2) / unit.length))}"`;
    expect(readJson(text).root).toMatchObject({ kind: "scalar", value: JSON.parse(text) as string });
  }
});
