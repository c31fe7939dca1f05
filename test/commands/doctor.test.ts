import { expect, test } from "bun:test";
import { chmodSync, readdirSync, writeFileSync } from "node:fs";

import { testHome } from "../support/test-home.ts";

const names = async (t: ReturnType<typeof testHome>) => {
  const { value, exitCode } = await t.json(["doctor"]);
  const { ok, checks } = value as {
    ok: boolean;
    checks: { name: string; ok: boolean; detail: string; hint: string | null }[];
  };
  return { ok, exitCode, bad: checks.filter((check) => !check.ok), all: checks.map(({ name }) => name) };
};

test("a machine without a home is fine, and nothing is created", async () => {
  await using t = testHome();
  const { stdout, stderr, exitCode } = await t.run(["doctor"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(stdout).toMatch(/^ok   home +"DIR\/home" does not exist yet: it is created on first use$/m);
  expect(await Bun.file(t.home).exists()).toBe(false);
});

test("a sound home: every check is good, and no scratch is left", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  const { value } = await t.json(["device"]);
  const { layers } = (value as { confinement: { layers: { name: string; available: boolean }[] } })
    .confinement;
  const missingLayers = layers.filter(({ available }) => !available).map(({ name }) => name);
  expect(await names(t)).toEqual({
    ok: true,
    exitCode: 0,
    bad: [],
    all: [
      "machine",
      "shell",
      "confinement",
      ...missingLayers,
      "home",
      "locks",
      "space",
      "registry",
      "transactions",
    ],
  });
  expect(readdirSync(`${t.home}/tmp`)).toEqual([]);
});

test("what is wrong is named with a hint, exit 1", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app", "--confirm-within", "10m"]);
  chmodSync(t.home, 0o777);
  expect(await names(t)).toMatchObject({
    ok: false,
    exitCode: 1,
    bad: [
      {
        name: "home",
        detail: expect.stringContaining("may be written by others (mode 777)"),
        hint: expect.stringMatching(/^chmod go-w '/),
      },
      { name: "transactions", detail: "1 open: install unconfirmed" },
    ],
  });
  writeFileSync(`${t.home}/state.db`, "this is no database at all, but it is long enough to look at");
  expect((await names(t)).bad).toMatchObject([
    { name: "home" },
    { name: "registry", detail: expect.stringContaining("is damaged") },
  ]);
});
