import { expect, test } from "bun:test";

import { auroraCommand } from "../../support/aurora.ts";
import { peakMemory } from "../../support/peak-memory.ts";
import { vfsHome } from "../../support/vfs-home.ts";

test("the bytes as they are, and as JSON in base64 where they are no text", async () => {
  await using t = await vfsHome({ "a.txt": "grüß\n" });
  expect(await t.run(["vfs", "cat", "app", "/a.txt"])).toEqual({ stdout: "grüß\n", stderr: "", exitCode: 0 });
  expect((await t.json(["vfs", "cat", "app", "a.txt"])).value).toEqual({
    path: "a.txt",
    size_bytes: 7,
    encoding: "utf8",
    content: "grüß\n",
  });
  await Bun.write(`${t.home}/data/app/bytes`, new Uint8Array([0xff, 0]));
  expect((await t.json(["vfs", "cat", "app", "bytes"])).value).toEqual({
    path: "bytes",
    size_bytes: 2,
    encoding: "base64",
    content: "/wA=",
  });
});

test("nothing outside, in no way, and never the machine's path", async () => {
  await using t = await vfsHome({ a: "1" });
  Bun.spawnSync(["ln", "-s", "/etc/passwd", `${t.home}/data/app/out`]);
  expect(await t.run(["vfs", "cat", "app", "out"])).toEqual({
    stdout: "",
    stderr: 'error[escape-refused]: cannot read "/out": a link in it leads out of the pack\'s root\n',
    exitCode: 9,
  });
  expect(await t.run(["vfs", "cat", "app", "../../state.db"])).toEqual({
    stdout: "",
    stderr: 'error[escape-refused]: the path "../../state.db" leads out of the pack\'s root\n',
    exitCode: 9,
  });
  expect(await t.run(["vfs", "cat", "app", "no/such"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: cannot read "/no/such": there is nothing at that path\n',
    exitCode: 5,
  });
});

test.skipIf(Bun.which("python3") === null)("a big file needs no more memory than a small one", async () => {
  await using t = await vfsHome({ a: "1" });
  Bun.spawnSync(["truncate", "-s", "400M", `${t.home}/data/app/big`]);
  const script = `${auroraCommand.join(" ")} vfs cat app big --home ${t.home} | wc -c | grep -q 419430400`;
  expect(await peakMemory(script, { PATH: Bun.env["PATH"] ?? "", HOME: "/" })).toBeLessThan(200_000_000);
});
