import { expect, test } from "bun:test";

import { PROGRESS_FROM_BYTES, stagingLine } from "../../src/commands/shared/staging-progress.ts";
import { auroraCommand } from "../support/aurora.ts";
import { testHome } from "../support/test-home.ts";

test.each([
  [0, "staging ./a [--------------------]   0%  0 B of 8.0 MiB"],
  [2 * 1024 ** 2, "staging ./a [#####---------------]  25%  2.0 MiB of 8.0 MiB"],
  [8 * 1024 ** 2, "staging ./a [####################] 100%  8.0 MiB of 8.0 MiB"],
])("%i bytes of 8 MiB", (done, line) => expect(stagingLine("./a", done, 8 * 1024 ** 2)).toBe(line));

test("a big pack has a bar on a terminal and nowhere else, and it is gone at the end", async () => {
  await using t = testHome();
  const source = t.write({ id: "app" });
  Bun.spawnSync(["truncate", "-s", String(PROGRESS_FROM_BYTES * 40), `${source}/blob`]);
  const command = `${auroraCommand.join(" ")} stage ${t.packs}/app --home ${t.home}`;
  const shownOn = (term: string) => {
    const env = { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent", TERM: term };
    return Bun.spawnSync(["script", "-qec", command, "/dev/null"], { env }).stdout.toString();
  };
  const shown = shownOn("xterm");
  expect(shown).toContain("/app [");
  expect(shown.lastIndexOf("\u001b[K")).toBeGreaterThan(shown.lastIndexOf("] "));
  expect(shownOn("dumb")).not.toContain("\u001b");
  expect(await t.run(["stage", "app"])).toMatchObject({ stderr: "" });
});
