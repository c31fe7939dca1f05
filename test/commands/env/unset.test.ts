import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { testHome } from "../../support/test-home.ts";

test("all that are named, or none", async () => {
  await using t = testHome();
  await t.run(["env", "set", "app", "A=1", "B=2", "C=3"]);
  expect(await t.run(["env", "unset", "app", "A", "X", "Y"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: "X", "Y" are not set for "app"\nhint: aurora env list app shows what is\n',
    exitCode: 5,
  });
  expect(await t.run(["env", "unset", "app", "A", "B"])).toEqual({
    stdout: "app: A, B are no longer set\n",
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["env", "list", "app"])).toMatchObject({ stdout: "C\n" });
});

test("a value that was unset is in no free page of the database", async () => {
  await using t = testHome();
  const secret = "a-value-nobody-else-has";
  await t.run(["env", "set", "app", `TOKEN=${secret}`]);
  const database = join(t.home, "state.db");
  expect(readFileSync(database).includes(secret)).toBe(true);
  await t.run(["env", "unset", "app", "TOKEN"]);
  expect(readFileSync(database).includes(secret)).toBe(false);
});

test("nor is it in the record of a transaction that has come to its end", async () => {
  await using t = testHome();
  const secret = "a-value-nobody-else-has";
  const holds = () => readFileSync(join(t.home, "state.db")).includes(secret);
  await t.run(["env", "set", "app", `TOKEN=${secret}`]);
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  t.write({ id: "app", version: "2.0.0", isSick: true, health: "exit 1" });
  expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 4 });
  t.write({ id: "app", version: "3.0.0" });
  expect(await t.run(["install", "app", "--confirm-within", "1h"])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["confirm", "app"])).toMatchObject({ exitCode: 0 });
  await t.run(["env", "set", "app", "TOKEN=another"]);
  expect(await t.run(["restart", "app"])).toMatchObject({ exitCode: 0 });
  expect(holds()).toBe(false);
  await t.run(["env", "set", "app", `TOKEN=${secret}`]);
  expect(holds()).toBe(true);
  expect(await t.run(["remove", "app", "--purge"])).toMatchObject({ exitCode: 0 });
  expect(holds()).toBe(false);
});
