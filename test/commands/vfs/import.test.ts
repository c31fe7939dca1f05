import { expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";

import { auroraCommand } from "../../support/aurora.ts";
import { vfsHome } from "../../support/vfs-home.ts";

test("a directory, put beside what is there", async () => {
  await using t = await vfsHome({ "notes/old": "1" });
  mkdirSync(`${t.packs}/../in/sub`, { recursive: true });
  writeFileSync(`${t.packs}/../in/sub/new`, "22");
  expect(await t.run(["vfs", "import", "app", "in", "/notes"])).toEqual({
    stdout: "imported 1 file, 2 B\n",
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
    stderr:
      'error[escape-refused]: cannot create "/x/link": the link would lead out of the pack\'s root, to "/etc/passwd"\n',
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

const HOLE_BYTES = 64 * 1024 ** 2;

/** Data at the beginning and in the middle, and a hole after each. */
function writeWithHoles(file: string): void {
  const descriptor = openSync(file, "w");
  writeSync(descriptor, "first");
  writeSync(descriptor, "second", HOLE_BYTES);
  closeSync(descriptor);
  truncateSync(file, 2 * HOLE_BYTES);
}

test.each(["/tmp", "/dev/shm"].filter(existsSync))(
  "a file of %s keeps its holes, and so does a copy of it",
  async (place) => {
    const source = mkdtempSync(`${place}/aurora-holes-`);
    try {
      await using t = await vfsHome();
      writeWithHoles(`${source}/image`);
      expect(await t.run(["vfs", "import", "app", source])).toMatchObject({ stderr: "", exitCode: 0 });
      expect(await t.run(["vfs", "cp", "app", "image", "copy", "--json"])).toEqual({
        stdout: `{"from":"image","to":"copy","copied_bytes":${2 * HOLE_BYTES},"copied_files":1}\n`,
        stderr: "",
        exitCode: 0,
      });
      const content = readFileSync(`${source}/image`);
      for (const name of ["image", "copy"]) {
        const file = `${t.home}/data/app/${name}`;
        expect(readFileSync(file).equals(content)).toBe(true);
        expect(statSync(file).blocks * 512).toBeLessThan(HOLE_BYTES / 8);
      }
    } finally {
      rmSync(source, { recursive: true });
    }
  },
);
