import { expect, test } from "bun:test";

import { packEnvironment } from "../../src/lifecycle/pack-environment.ts";

const facts = {
  packId: "a",
  version: "1.0.0",
  generation: 3,
  packDirectory: "/tree",
  dataDirectory: "/data",
  logDirectory: "/logs",
  tmpDirectory: "/tmp/x",
  home: "/home",
  self: "/bin/aurora",
  isDryRun: false,
};
const own = {
  AURORA_PACK_ID: "a",
  AURORA_PACK_VERSION: "1.0.0",
  AURORA_GENERATION: "3",
  AURORA_PACK_DIR: "/tree",
  AURORA_DATA_DIR: "/data",
  AURORA_LOG_DIR: "/logs",
  AURORA_TMP_DIR: "/tmp/x",
  AURORA_HOME: "/home",
  AURORA_BIN: "/bin/aurora",
  PYTHONDONTWRITEBYTECODE: "1",
};

test("only the listed variables are passed through", () => {
  const host = {
    PATH: "/bin",
    HOME: "/root",
    LANG: "C",
    LC_ALL: "C",
    LC_TIME: "de",
    TZ: "UTC",
    TERM: "xterm",
    SECRET: "s",
    LD_PRELOAD: "evil.so",
    BUN_OPTIONS: "--preload=x",
    AURORA_HOME: "/other",
    AURORA_LOCK: "t",
    EMPTY: undefined,
  };
  expect(packEnvironment(facts, host, [], [])).toEqual({
    PATH: "/bin",
    HOME: "/root",
    LANG: "C",
    LC_ALL: "C",
    LC_TIME: "de",
    TZ: "UTC",
    TERM: "xterm",
    ...own,
  });
});

test("a pack gets what its manifest allows, also by a pattern", () => {
  const host = { MYAPP_A: "1", MYAPP_B: "2", TOKEN: "t", OTHER: "o", LD_LIBRARY_PATH: "x" };
  expect(packEnvironment(facts, host, ["MYAPP_*", "TOKEN", "LD_*"], [])).toEqual({
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    MYAPP_A: "1",
    MYAPP_B: "2",
    TOKEN: "t",
    ...own,
  });
});

test("what the operator has set wins over the host, but never over who the pack is", () => {
  const set = [
    { name: "LANG", value: "de" },
    { name: "AURORA_PACK_ID", value: "b" },
    { name: "LD_PRELOAD", value: "x" },
  ];
  expect(packEnvironment(facts, { PATH: "/bin", LANG: "C" }, [], set)).toEqual({
    PATH: "/bin",
    LANG: "de",
    ...own,
  });
});

test("a dry run says so", () => {
  expect(packEnvironment({ ...facts, isDryRun: true }, { PATH: "/bin" }, [], [])).toEqual({
    PATH: "/bin",
    ...own,
    AURORA_DRY_RUN: "1",
  });
});
