import { expect, test } from "bun:test";

import { vfsHome } from "../../support/vfs-home.ts";

test("a tar archive that tar reads", async () => {
  await using t = await vfsHome({ a: "1", "d/b": "22" });
  const archive = `${t.packs}/../data.tar`;
  const { auroraCommand } = await import("../../support/aurora.ts");
  const made = Bun.spawnSync(["sh", "-c", '"$0" "$@" > data.tar', ...auroraCommand, "vfs", "export", "app"], {
    cwd: `${t.packs}/..`,
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/", AURORA_HOME: t.home },
  });
  expect(made.stderr.toString()).toBe("");
  expect(Bun.spawnSync(["tar", "-tf", archive]).stdout.toString()).toBe("./\n./a\n./d/\n./d/b\n");
  expect(Bun.spawnSync(["tar", "-xOf", archive, "./d/b"]).stdout.toString()).toBe("22");
});

test("not as JSON, and not what is not there", async () => {
  await using t = await vfsHome({ a: "1" });
  expect(await t.run(["vfs", "export", "app", "--json"])).toMatchObject({ stdout: "", exitCode: 2 });
  expect(await t.run(["vfs", "export", "app", "x"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: cannot look at "/x": there is nothing at that path\n',
    exitCode: 5,
  });
});
