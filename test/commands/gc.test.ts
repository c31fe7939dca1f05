import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";

import { testHome } from "../support/test-home.ts";

const trees = (home: string) =>
  readdirSync(`${home}/store`).filter((name) => /^[0-9a-f]{64}$/.test(name)).length;

async function withVersions(...versions: string[]) {
  const t = testHome();
  for (const version of versions) {
    t.write({ id: "app", name: version, version, start: null, stop: null, health: null });
    expect(await t.run(["install", `./packs/${version}`])).toMatchObject({ exitCode: 0 });
  }
  return t;
}

test("keeps the last good generations, and says what it freed", async () => {
  await using t = await withVersions("1.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0");
  const { value } = await t.json(["gc", "--dry-run"]);
  expect(value).toEqual({
    removed: [expect.any(String), expect.any(String)],
    removed_snapshots: [],
    freed_bytes: expect.any(Number),
    dry_run: true,
  });
  expect(trees(t.home)).toBe(5);
  const { stdout, stderr, exitCode } = await t.run(["gc"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(stdout).toMatch(/^DIGEST\nDIGEST\nfreed \d+ B\n$/);
  expect(trees(t.home)).toBe(3);
  expect(await t.run(["gc"])).toEqual({ stdout: "nothing to remove\n", stderr: "", exitCode: 0 });
  expect(await t.run(["rollback", "app"])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["rollback", "app", "--to", "1"])).toEqual({
    stdout: "",
    stderr:
      'error[not-found]: the tree of generation 1 of "app" is no longer in the store\nhint: install the pack from its source again\n',
    exitCode: 5,
  });
});

test("never removes what was live before, even with --keep 1; failed generations do not count", async () => {
  await using t = await withVersions("1.0.0", "2.0.0");
  for (const version of ["2.1.0", "2.2.0", "2.3.0"]) {
    t.write({ id: "app", name: version, version, start: null, stop: null, health: "exit 1", isSick: true });
    await t.run(["install", `./packs/${version}`]);
  }
  expect(await t.run(["gc", "--keep", "1"])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["rollback", "app"])).toMatchObject({
    stdout: "committed\napp 1.0.0, generation 6\n",
    exitCode: 0,
  });
});

test("keeps what was staged last and never installed, and what a process works in", async () => {
  await using t = await withVersions("1.0.0");
  t.write({ id: "other" });
  await t.run(["stage", "other"]);
  expect(await t.run(["gc"])).toMatchObject({ stdout: "nothing to remove\n" });
  const [{ digest }] = (await t.json(["list"])).value as [{ digest: string }];
  const worker = Bun.spawn(["sleep", "60"], { cwd: `${t.home}/store/${digest.slice(7)}` });
  await t.run(["remove", "app"]);
  expect(await t.run(["gc"])).toMatchObject({ stdout: "nothing to remove\n" });
  worker.kill();
  await worker.exited;
  expect((await t.run(["gc"])).stdout).toStartWith("DIGEST\n");
});

test.each([["0"], ["1001"], ["many"], ["-1"]])("--keep %s is wrong usage", async (keep) => {
  await using t = testHome();
  expect(await t.run(["gc", "--keep", keep])).toEqual({
    stdout: "",
    stderr: `error[usage]: cannot read --keep "${keep}": it is not a number from 1 to 1000\n`,
    exitCode: 2,
  });
});
