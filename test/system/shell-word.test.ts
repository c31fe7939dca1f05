import { expect, test } from "bun:test";

import { shellWord } from "../../src/system/shell-word.ts";

test("a path that needs no quotes gets none", () => {
  expect(shellWord("/srv/my-pack_1.0/a+b")).toBe("/srv/my-pack_1.0/a+b");
});

test.each(["with space", "it's", "$HOME", "a;b", "`id`", "x\ny", "*", "~", "", "größe", '"', "\\"])(
  "a shell reads %j as it was",
  (text) => {
    const { stdout } = Bun.spawnSync(["sh", "-c", `printf %s ${shellWord(text)}`]);
    expect(stdout.toString()).toBe(text);
  },
);
