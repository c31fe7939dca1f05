import { expect, test } from "bun:test";
import { closeSync, existsSync, openSync } from "node:fs";

import { tryFlock } from "../../../src/system/flock.ts";
import { vfsHome } from "../../support/vfs-home.ts";

test("a command runs while the file is locked, and its exit code is passed on", async () => {
  await using t = await vfsHome();
  const file = `${t.home}/data/app/locks/a`;
  expect(
    await t.run(["vfs", "lock", "app", "/locks/a", "--", "sh", "-c", `flock -n "${file}" true; exit 7`]),
  ).toEqual({ stdout: "", stderr: "", exitCode: 7 });
  expect(existsSync(file)).toBe(true);
  // Without a lock by somebody else, the same command gets it.
  const held = `if flock -n "${file}" true; then echo free; else echo held; fi`;
  expect(await t.run(["vfs", "lock", "app", "/locks/a", "--", "sh", "-c", held])).toMatchObject({
    stdout: "held\n",
    exitCode: 0,
  });
});

test("while somebody else holds it, nothing runs", async () => {
  await using t = await vfsHome({ a: "1" });
  const descriptor = openSync(`${t.home}/data/app/a`, "r");
  tryFlock(descriptor, "exclusive");
  const lock = (...options: string[]) =>
    t.run(["vfs", "lock", "app", "a", "--wait", "0s", ...options, "--", "echo", "ran"]);
  expect(await lock()).toEqual({
    stdout: "",
    stderr: 'error[locked]: cannot lock "/a": somebody else holds it\n',
    exitCode: 8,
  });
  closeSync(descriptor);
  const shared = openSync(`${t.home}/data/app/a`, "r");
  tryFlock(shared, "shared");
  expect(await lock("--shared")).toEqual({ stdout: "ran\n", stderr: "", exitCode: 0 });
  closeSync(shared);
});

test("without a command it says how it is called", async () => {
  await using t = await vfsHome();
  expect(await t.run(["vfs", "lock", "app", "a"])).toEqual({
    stdout: "",
    stderr: 'error[usage]: "vfs lock" needs a command after "--"\nhint: aurora vfs lock app a -- CMD…\n',
    exitCode: 2,
  });
});
