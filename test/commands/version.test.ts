import { expect, test } from "bun:test";

import { aurora } from "../support/aurora.ts";

test("version --json names version, commit, Bun version and target", async () => {
  const { stdout, stderr, exitCode } = await aurora(["version", "--json"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(JSON.parse(stdout)).toEqual({
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    commit: expect.any(String),
    bun: "1.4.5",
    target: expect.stringMatching(/^(linux|darwin)-(x64|arm64)$/),
  });
});

test.each(["--version", "-V"])("%s is the same as version", async (flag) => {
  expect(await aurora([flag])).toEqual(await aurora(["version"]));
});
