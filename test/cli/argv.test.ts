import { describe, expect, test } from "bun:test";

import { decodeOptions, encodeArgv, splitArgv } from "../../src/cli/argv.ts";
import { AuroraError } from "../../src/errors.ts";

const isCommand = (name: string) => ["install", "vfs ls", "run"].includes(name);
const isGroup = (word: string) => word === "vfs";
const options = {
  "dry-run": { help: "" },
  to: { help: "", value: "N" },
  approve: { help: "", value: "DIGEST", optionalValue: true },
  number: { help: "", value: "N", short: "n" },
  follow: { help: "", short: "f" },
  pack: { help: "", value: "ID", many: true },
} as const;

describe("the command is found among the words", () => {
  test.each([
    [["install", "a"], ["install"], ["a"]],
    [["--json", "install", "a"], ["install"], ["--json", "a"]],
    [["--home", "install", "install", "a"], ["install"], ["--home", "install", "a"]],
    [
      ["--home=x", "vfs", "--json", "ls", "p", "/"],
      ["vfs", "ls"],
      ["--home=x", "--json", "p", "/"],
    ],
    [
      ["vfs", "--home", "ls", "ls", "p"],
      ["vfs", "ls"],
      ["--home", "ls", "p"],
    ],
    [["vfs"], ["vfs"], []],
    [["vfs", "nonsense"], ["vfs", "nonsense"], []],
    [["--json"], [], ["--json"]],
    [[], [], []],
  ])("%j", (argv, name, words) => {
    expect(splitArgv(argv, isCommand, isGroup)).toEqual({ name, words, rest: undefined, passed: [] });
  });

  test("what stands behind -- is kept apart, whatever it looks like", () => {
    expect(splitArgv(["install", "a", "--", "--json", "-x", "--"], isCommand, isGroup)).toEqual({
      name: ["install"],
      words: ["a"],
      rest: ["--json", "-x", "--"],
      passed: [],
    });
  });
});

describe("words become what cac cannot misread", () => {
  test.each([
    ["a flag does not swallow the next word", ["--dry-run", "pack"], ["--o_dry_run", "\0pack"]],
    ["a value stays text", ["--to", "1.10"], ["--o_to=\x001.10"]],
    ["a value may begin with a dash", ["--to", "-5"], ["--o_to=\0-5"]],
    ["a value may hold an equals sign", ["--to=a=b"], ["--o_to=\0a=b"]],
    ["an optional value is only taken from =", ["--approve", "x"], ["--o_approve=\0", "\0x"]],
    ["with =", ["--approve=sha256:1"], ["--o_approve=\0sha256:1"]],
    ["a short option with its value", ["-n", "5"], ["--o_number=\x005"]],
    ["stuck together", ["-n5"], ["--o_number=\x005"]],
    ["two short flags", ["-fn", "5"], ["--o_follow", "--o_number=\x005"]],
    ["a single dash is a word", ["-"], ["\0-"]],
    ["a number is a word", ["5"], ["\x005"]],
    ["an empty word", [""], ["\0"]],
  ])("%s", (_name, words, encoded) => {
    expect(encodeArgv(words, options).toSorted()).toEqual(encoded.toSorted());
  });

  test.each([
    ["--dry-runn", 'unknown option "--dry-runn"', "did you mean --dry-run?"],
    ["--__proto__", 'unknown option "--__proto__"', "--help lists the options"],
    ["--constructor=1", 'unknown option "--constructor"', "--help lists the options"],
    ["-x", 'unknown option "-x"', "--help lists the options"],
    ["--dry-run=yes", "option --dry-run takes no value", undefined],
    ["--to", "option --to needs a value <N>", undefined],
  ])("%s is wrong usage", (word, message, hint) => {
    expect(() => encodeArgv([word], options)).toThrow(new AuroraError("usage", message, { hint }));
  });
});

describe("options are decoded", () => {
  test("text, flags and lists", () => {
    const parsed = { o_to: "\x001.10", o_dry_run: true, o_pack: ["\0a", "\0b"], "--": [] };
    expect(decodeOptions(parsed, options)).toEqual({ to: "1.10", "dry-run": true, pack: ["a", "b"] });
  });

  test("twice is wrong usage where only one is meant", () => {
    expect(() => decodeOptions({ o_to: ["\x001", "\x002"] }, options)).toThrow("option --to is given twice");
  });

  test("a flag given twice is still a flag", () => {
    expect(decodeOptions({ o_dry_run: [true, true] }, options)).toEqual({ "dry-run": true });
  });
});
