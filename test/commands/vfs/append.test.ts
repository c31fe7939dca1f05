import { expect, test } from "bun:test";

import { vfsHome } from "../../support/vfs-home.ts";

test("adds to the end, or creates", async () => {
  await using t = await vfsHome();
  expect(await t.run(["vfs", "append", "app", "log"], { stdin: "one\n" })).toEqual({
    stdout: "",
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["vfs", "append", "app", "log", "--json"], { stdin: "two\n" })).toEqual({
    stdout: '{"path":"log","written_bytes":4}\n',
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["vfs", "cat", "app", "log"])).toMatchObject({ stdout: "one\ntwo\n" });
});

test("twenty at once: every record is there, and whole", async () => {
  await using t = await vfsHome({ log: "" });
  const records = Array.from({ length: 20 }, (_, i) => `record ${i} ${"x".repeat(500)}\n`);
  await Promise.all(records.map((record) => t.run(["vfs", "append", "app", "log"], { stdin: record })));
  const { stdout } = await t.run(["vfs", "cat", "app", "log"]);
  expect(stdout.split(/(?<=\n)/).toSorted()).toEqual(records.toSorted());
});
