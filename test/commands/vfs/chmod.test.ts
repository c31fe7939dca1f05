import { expect, test } from "bun:test";
import { statSync } from "node:fs";

import { vfsHome } from "../../support/vfs-home.ts";

test("+x gives the execute bits to those who may read, -x takes them", async () => {
  await using t = await vfsHome({ a: "1", b: "2" });
  const mode = () => (statSync(`${t.home}/data/app/a`).mode & 0o777).toString(8);
  expect(await t.run(["vfs", "chmod", "app", "+x", "a", "b", "--json"])).toEqual({
    stdout: '{"paths":["a","b"],"executable":true}\n',
    stderr: "",
    exitCode: 0,
  });
  expect(mode()).toBe("750");
  expect(await t.run(["vfs", "chmod", "app", "-x", "a"])).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  expect(mode()).toBe("640");
});

test.each([[["a"]], [["+x"]], [["u+x", "a"]]])("%j is wrong usage", async (words) => {
  await using t = await vfsHome({ a: "1" });
  expect(await t.run(["vfs", "chmod", "app", ...words])).toEqual({
    stdout: "",
    stderr: "error[usage]: chmod needs +x or -x, and then paths\nhint: aurora vfs chmod app +x PATH\n",
    exitCode: 2,
  });
});
