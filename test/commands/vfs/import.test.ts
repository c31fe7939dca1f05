import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";

import { auroraCommand } from "../../support/aurora.ts";
import { vfsHome } from "../../support/vfs-home.ts";

test("a directory, put beside what is there", async () => {
  await using t = await vfsHome({ "notes/old": "1" });
  mkdirSync(`${t.packs}/../in/sub`, { recursive: true });
  writeFileSync(`${t.packs}/../in/sub/new`, "22");
  expect(await t.run(["vfs", "import", "app", "in", "/notes"])).toEqual({
    stdout: "imported 1 files, 2 B\n",
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["vfs", "import", "app", "in"])).value).toEqual({
    path: "/",
    copied_files: 1,
    copied_bytes: 2,
  });
  expect(await t.run(["vfs", "tree", "app", "notes"])).toMatchObject({ stdout: "old\nsub/\n  new\n" });
});

test("a link that leads out is refused, and so is what is not there", async () => {
  await using t = await vfsHome();
  mkdirSync(`${t.packs}/../in`);
  symlinkSync("/etc/passwd", `${t.packs}/../in/link`);
  expect(await t.run(["vfs", "import", "app", "in", "x"])).toEqual({
    stdout: "",
    stderr: 'error[escape-refused]: cannot create "/x/link": a link in it leads out of the pack\'s root\n',
    exitCode: 9,
  });
  expect(await t.run(["vfs", "ls", "app"])).toMatchObject({ stdout: "" });
  expect(await t.run(["vfs", "import", "app", "none"])).toMatchObject({
    stderr: 'error[not-found]: cannot import "none": there is no such directory\n',
    exitCode: 5,
  });
});

test("a signal in the middle leaves nothing of it", async () => {
  await using t = await vfsHome({ old: "1" });
  const source = `${t.packs}/../in`;
  mkdirSync(source);
  for (let i = 0; i < 5000; i++) writeFileSync(`${source}/${i}`, "x");
  const importing = Bun.spawn([...auroraCommand, "vfs", "import", "app", source, "/new"], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/", AURORA_HOME: t.home },
    stdout: "pipe",
    stderr: "pipe",
  });
  const data = `${t.home}/data/app`;
  while (importing.exitCode === null && !existsSync(`${data}/new/0`)) await Bun.sleep(1);
  importing.kill("SIGTERM");
  expect(await importing.exited).toBe(143);
  expect(await importing.stderr.text()).toBe("error[interrupted]: stopped while writing\n");
  expect(readdirSync(data)).toEqual(["old"]);
});
