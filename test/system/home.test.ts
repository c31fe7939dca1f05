import { expect, test } from "bun:test";
import { mkdirSync, realpathSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";

import { homeDirectory, withoutLinks } from "../../src/system/home.ts";
import { scratch } from "../support/aurora.ts";

const env = { AURORA_HOME: "/env", XDG_DATA_HOME: "/xdg", HOME: "/home/me" };

test.each([
  ["the option wins", "/opt/", env, 0, "/opt"],
  ["a relative option is of the current directory", "h", env, 1000, "/cwd/h"],
  ["then AURORA_HOME", undefined, env, 0, "/env"],
  ["an empty AURORA_HOME is none", undefined, { ...env, AURORA_HOME: "" }, 0, "/var/lib/aurora"],
  ["root has one of its own", undefined, { HOME: "/root" }, 0, "/var/lib/aurora"],
  ["XDG_DATA_HOME", undefined, { XDG_DATA_HOME: "/xdg", HOME: "/home/me" }, 1000, "/xdg/aurora"],
  [
    "a relative XDG_DATA_HOME is ignored",
    undefined,
    { XDG_DATA_HOME: "x", HOME: "/home/me" },
    1000,
    "/home/me/.local/share/aurora",
  ],
  ["HOME", undefined, { HOME: "/home/me/" }, 1000, "/home/me/.local/share/aurora"],
])("%s", (_name, option, variables, uid, home) => {
  expect(homeDirectory(option, variables, uid, () => "/cwd")).toBe(home);
});

test("the current directory is asked for only where something is relative to it", () => {
  const gone = () => {
    throw new Error("it is gone");
  };
  expect(homeDirectory("/opt", {}, 0, gone)).toBe("/opt");
  expect(homeDirectory("h", {}, 0, () => "/")).toBe("/h");
  expect(() => homeDirectory("h", {}, 0, gone)).toThrow("it is gone");
});

test("where nothing is set it says what to do", () => {
  expect(() => homeDirectory(undefined, {}, 1000, () => "/")).toThrow(
    "neither AURORA_HOME, XDG_DATA_HOME nor HOME is set",
  );
  expect(() => homeDirectory("", {}, 1000, () => "/")).toThrow("option --home needs a directory");
});

test.each([
  ["link", "real"],
  ["link/", "real"],
  ["link/not/yet", "real/not/yet"],
  ["link/../real/x", "real/x"],
  ["not/yet", "not/yet"],
  ["dangling", "dangling"],
  ["loop/x", "loop/x"],
])("%s without symbolic links is %s", (name, real) => {
  using directory = scratch(realpathSync(tmpdir()));
  const { path } = directory;
  mkdirSync(`${path}/real`);
  for (const [link, target] of Object.entries({ link: "real", dangling: "nowhere", loop: "loop" }))
    symlinkSync(target, `${path}/${link}`);
  expect(withoutLinks(`${path}/${name}`)).toBe(`${path}/${real}`);
  expect(withoutLinks("/")).toBe("/");
});
