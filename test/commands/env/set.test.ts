import { expect, test } from "bun:test";
import { statSync } from "node:fs";

import { aurora, auroraCommand, collect } from "../../support/aurora.ts";
import { testHome } from "../../support/test-home.ts";

test("a pack's scripts see what is set, from their next start on", async () => {
  await using t = testHome();
  t.write({ id: "app", health: 'echo "mode=$MODE empty=[$EMPTY]"' });
  expect(await t.run(["env", "set", "app", "MODE=a=b c", "EMPTY="])).toEqual({
    stdout: "app: MODE, EMPTY are set, and will be seen from its next start on\n",
    stderr: 'warning: the pack "app" is not known here yet; aurora list shows the packs\n',
    exitCode: 0,
  });
  await t.run(["install", "app"]);
  expect((await t.json(["health", "app"])).value).toMatchObject({
    packs: [{ output: "mode=a=b c empty=[]" }],
  });
  expect(await t.run(["env", "set", "app", "MODE=b"])).toMatchObject({ stderr: "" });
  expect(await t.run(["env", "set", "ap", "MODE=b"])).toMatchObject({
    stderr: 'warning: the pack "ap" is not known here yet; did you mean "app"?\n',
    exitCode: 0,
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

test("two values cannot come from one standard input", async () => {
  await using t = testHome();
  expect(await t.run(["env", "set", "app", "A", "B=1", "C"], { stdin: "s3cret" })).toEqual({
    stdout: "",
    stderr:
      "error[usage]: cannot take A and C from one standard input\nhint: aurora env set app A < FILE, and so for each\n",
    exitCode: 2,
  });
  expect(await t.run(["env", "list", "app"])).toMatchObject({ stdout: "app has no variables\n" });
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

test.each([
  ["a byte that none begins with", [0x61, 0xff, 0x62]],
  ["a letter that is cut off", [0x61, 0xc3]],
])("a value that is no UTF-8 is refused: %s", async (_what, bytes) => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app", "--no-start"]);
  const stdin = Uint8Array.from(bytes);
  const { stdout, stderr, exitCode } = await aurora(["env", "set", "app", "A"], { home: t.home, stdin });
  expect({ stdout, stderr, exitCode }).toEqual({
    stdout: "",
    stderr:
      'error[usage]: cannot set "A": its value is not valid UTF-8\nhint: base64 makes text of any bytes\n',
    exitCode: 2,
  });
  expect((await t.json(["env", "list", "app"])).value).toMatchObject({ variables: [] });
});

test("what is passed on to a pack is refused where it is no UTF-8, unless the pack has a value of its own", async () => {
  await using t = testHome();
  t.write({ id: "app", start: null, stop: null, health: null });
  await t.run(["install", "app"]);
  const command = [...auroraCommand, "exec", "app", "--", "printenv", "LC_TEST"];
  // No string of the test's runtime can hold such bytes.
  const exec = async () =>
    await collect(
      Bun.spawn(["sh", "-c", `LC_TEST="$(printf 'a\\377')" exec "$@"`, "sh", ...command], {
        env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent", AURORA_HOME: t.home },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      }),
    );
  expect(await exec()).toEqual({
    stdout: "",
    stderr: `error[usage]: cannot pass "LC_TEST" on to "app": its value is not valid UTF-8
hint: unset it, or set another for the pack: aurora env set app LC_TEST=VALUE
`,
    exitCode: 2,
  });
  await t.run(["env", "set", "app", "LC_TEST=its own \uFFFD"]);
  expect(await exec()).toEqual({ stdout: "its own \uFFFD\n", stderr: "", exitCode: 0 });
});
