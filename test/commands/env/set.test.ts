import { expect, test } from "bun:test";
import { statSync } from "node:fs";

import { testHome } from "../../support/test-home.ts";

test("a pack's scripts see what is set, from their next start on", async () => {
  await using t = testHome();
  t.write({ id: "app", health: 'echo "mode=$MODE empty=[$EMPTY]"' });
  expect(await t.run(["env", "set", "app", "MODE=a=b c", "EMPTY="])).toEqual({
    stdout: "app: MODE, EMPTY are set, and will be seen from its next start on\n",
    stderr: "",
    exitCode: 0,
  });
  await t.run(["install", "app"]);
  expect((await t.json(["health", "app"])).value).toMatchObject({
    packs: [{ output: "mode=a=b c empty=[]" }],
  });
  expect(statSync(`${t.home}/state.db`).mode & 0o777).toBe(0o600);
});

test("a secret comes from standard input, and is in no output and no event", async () => {
  await using t = testHome();
  const results = [
    await t.run(["env", "set", "app", "TOKEN"], { stdin: "s3cret\n" }),
    await t.run(["env", "list", "app"]),
    await t.run(["env", "list", "app", "--json"]),
    await t.run(["events", "--json"]),
  ];
  for (const { stdout, stderr, exitCode } of results) {
    expect(stdout + stderr).not.toContain("s3cret");
    expect(exitCode).toBe(0);
  }
  expect(await t.run(["env", "list", "app", "--show-values"])).toMatchObject({ stdout: "TOKEN=s3cret\n" });
});

test.each([
  ["1A=x", 'cannot set "1A": it is no name for a variable'],
  ["=x", 'cannot set "": it is no name for a variable'],
  [
    "LD_PRELOAD=x",
    'cannot set "LD_PRELOAD": names that begin with BUN_, LD_, DYLD_ or AURORA_ are not for packs to get',
  ],
  ["AURORA_HOME=x", 'cannot set "AURORA_HOME": names that begin with'],
])("%s is refused", async (assignment, message) => {
  await using t = testHome();
  const { stdout, stderr, exitCode } = await t.run(["env", "set", "app", assignment]);
  expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
  expect(stderr).toStartWith(`error[usage]: ${message}`);
});

test("a value may have 128 KiB and not more", async () => {
  await using t = testHome();
  const most = 128 * 1024;
  expect(await t.run(["env", "set", "app", "A"], { stdin: "x".repeat(most) })).toMatchObject({ exitCode: 0 });
  expect(await t.run(["env", "set", "app", "A"], { stdin: "x".repeat(most + 1) })).toEqual({
    stdout: "",
    stderr: 'error[too-large]: cannot set "A": its value has more than 131072 bytes\n',
    exitCode: 1,
  });
});
