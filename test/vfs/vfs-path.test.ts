import { describe, expect, test } from "bun:test";

import { type AuroraError } from "../../src/errors.ts";
import { MAX_NAME_BYTES, MAX_PATH_BYTES, parseVfsPath } from "../../src/vfs/vfs-path.ts";

const names = (path: string) => {
  const { relative } = parseVfsPath(path);
  return relative === "." ? [] : relative.split("/");
};
const codeOf = (path: string) => {
  try {
    parseVfsPath(path);
  } catch (thrown) {
    return (thrown as AuroraError).code;
  }
  return undefined;
};

test.each([
  ["/", []],
  ["a", ["a"]],
  ["/a/b", ["a", "b"]],
  ["//a///b/", ["a", "b"]],
  ["./a/./b/.", ["a", "b"]],
  ["a/../b", ["b"]],
  ["a/b/../../c", ["c"]],
  ["a/..", []],
])("%j is %j", (path, expected) => expect(names(path)).toEqual(expected));

describe("ordinary names", () => {
  test.each([
    "foo..bar",
    "..foo",
    "foo..",
    "...",
    "....",
    "%2e%2e",
    "%252e",
    "C:\\x",
    "a\\..\\b",
    "~",
    "$(id)",
    "-rf",
    "a\nb",
    "\u001b[31m",
    "e\u0301",
    "\u00e9",
    "．．",
    "__proto__",
    "constructor",
    " ",
  ])("%j", (name) => {
    expect(names(`/${name}`)).toEqual([name]);
  });

  test("...//... too", () => expect(names("....//....")).toEqual(["....", "...."]));
});

test.each(["..", "/..", "../a", "a/../..", "a/../../b", "/../etc/passwd", "./.."])(
  "%j is refused, not cut off",
  (path) => {
    expect(codeOf(path)).toBe("escape-refused");
  },
);

test.each([
  [""],
  ["a\0b"],
  ["\0"],
  ["\ud800"],
  ["a/\udc00"],
  ["x".repeat(MAX_NAME_BYTES + 1)],
  ["é".repeat(128)],
  [`${"a/".repeat(MAX_PATH_BYTES / 2)}b`],
])("%j is no path", (path) => {
  expect(codeOf(path)).toBe("invalid-path");
});

test("the longest name and the longest path are taken", () => {
  expect(names("x".repeat(MAX_NAME_BYTES))).toHaveLength(1);
  expect(names("a/".repeat((MAX_PATH_BYTES - 1) / 2))).toHaveLength((MAX_PATH_BYTES - 1) / 2);
});

test("a slash or a dot at the end asks for a directory", () => {
  expect(["a", "a/", "a/.", "/", "a/b/.."].map((path) => parseVfsPath(path).isDirectory)).toEqual([
    false,
    true,
    true,
    true,
    true,
  ]);
});
