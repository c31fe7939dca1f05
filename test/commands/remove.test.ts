import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";

import { hasEnded, testHome } from "../support/test-home.ts";
import { userHome, users } from "../support/user-home.ts";

const TIMEOUT_MS = 60_000;

test("remove stops the pack and takes it away; data and history stay", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  const pid = Number(readFileSync(`${t.home}/data/app/pid`, "utf8"));
  expect(hasEnded(pid)).toBe(false);
  expect(await t.run(["remove", "app"])).toEqual({
    stdout: "app is removed\n",
    stderr: "stop app\nswitch app\n",
    exitCode: 0,
  });
  expect(hasEnded(pid)).toBe(true);
  expect(existsSync(`${t.home}/live/app`)).toBe(false);
  expect(existsSync(`${t.home}/data/app/pid`)).toBe(true);
  expect(await t.run(["list"])).toMatchObject({ stdout: "no packs\n" });
  expect(await t.run(["ns", "get", "app"])).toMatchObject({ exitCode: 5 });
  expect((await t.json(["history", "app"])).value).toMatchObject([
    { generation: 1, outcome: "committed" },
    { generation: 2, parent: 1, digest: null, version: null, outcome: "removed" },
  ]);
});

describe.each(users)("as %s", (user) => {
  test.each([[[]], [["--purge"]]])(
    "what runs in the background ends with the pack, not before: remove %j",
    async (flags) => {
      await using t = userHome(user);
      t.write({ id: "app" });
      t.write({ id: "other" });
      for (const id of ["app", "other"]) await t.run(["install", id]);
      const start = async (id: string) => {
        const { stdout } = await t.run(["exec", id, "--background", "--json", "--", "sleep", "300"]);
        return JSON.parse(stdout) as { pid: number; id: string };
      };
      const own = await start("app");
      const strange = await start("other");
      await t.run(["stop", "app"]);
      expect(await t.json(["exec", "app", "--list"])).toMatchObject([{ id: own.id, state: "running" }]);
      expect(await t.run(["remove", "app", ...flags, "--quiet"])).toEqual({
        stdout: "app is removed\n",
        stderr: "",
        exitCode: 0,
      });
      expect([own, strange].map(({ pid }) => hasEnded(pid))).toEqual([true, false]);
      expect(readdirSync(`${t.home}/run/background`).toSorted()).toEqual([
        `${strange.id}.json`,
        `${strange.id}.tmp`,
      ]);
      expect(existsSync(`${t.home}/logs/app/exec-${own.id}.log`)).toBe(flags.length === 0);
    },
    TIMEOUT_MS,
  );
});

test("--purge also removes data, logs and variables; numbers go on growing", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  await t.run(["env", "set", "app", "A=1"]);
  const { value, exitCode } = await t.json(["remove", "app", "--purge"]);
  expect({ value, exitCode }).toEqual({
    value: { transaction: expect.any(String), state: "committed", reason: null, pack_id: "app" },
    exitCode: 0,
  });
  for (const part of ["data", "logs"]) expect(existsSync(`${t.home}/${part}/app`)).toBe(false);
  expect(await t.run(["env", "list", "app"])).toMatchObject({ stdout: "app has no variables\n" });
  expect(await t.run(["install", "app"])).toMatchObject({
    stdout: "committed\napp 1.0.0, generation 3, healthy\n",
  });
});

test("--purge also takes what an earlier removal has kept, once", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  await t.run(["env", "set", "app", "A=1"]);
  await t.run(["remove", "app"]);
  expect(await t.run(["remove", "app"])).toMatchObject({ exitCode: 5 });
  expect(await t.run(["remove", "app", "--purge", "--quiet"])).toEqual({
    stdout: "app is removed\n",
    stderr: "",
    exitCode: 0,
  });
  for (const part of ["data", "logs"]) expect(existsSync(`${t.home}/${part}/app`)).toBe(false);
  expect(await t.run(["env", "list", "app"])).toMatchObject({ stdout: "app has no variables\n" });
  expect(await t.run(["verify"])).toMatchObject({ stderr: "", exitCode: 0 });
  expect(await t.run(["remove", "app", "--purge"])).toMatchObject({
    stderr: 'error[not-found]: the pack "app" is not installed\nhint: aurora list shows the packs\n',
    exitCode: 5,
  });
  expect(await t.run(["install", "app"])).toMatchObject({
    stdout: "committed\napp 1.0.0, generation 4, healthy\n",
  });
});

test("not while another pack depends on it", async () => {
  await using t = testHome();
  t.write({ id: "base" });
  t.write({ id: "app", manifest: '  dependencies: [{ pack_id: base, version_constraint: "*" }]' });
  await t.run(["install", "app"]);
  expect(await t.run(["remove", "base"])).toEqual({
    stdout: "",
    stderr: 'error[in-use]: cannot remove "base": "app" depends on it\nhint: remove app first\n',
    exitCode: 8,
  });
});

test("what is not installed", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  expect(await t.run(["remove", "apq"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: the pack "apq" is not installed\nhint: did you mean "app"?\n',
    exitCode: 5,
  });
});
