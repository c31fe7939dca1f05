import { expect, test } from "bun:test";

import { auroraCommand } from "../../support/aurora.ts";
import { testHome } from "../../support/test-home.ts";

test("what there is, then each change, until a signal ends it", async () => {
  await using t = testHome();
  await t.run(["ns", "register", "app", "--meta", '{"n":1}']);
  const watcher = Bun.spawn([...auroraCommand, "ns", "watch", "--json", "--home", t.home], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/" },
    stdout: "pipe",
  });
  const lines: unknown[] = [];
  let rest = "";
  const changes = [
    ["ns", "register", "app", "--meta", '{"n":2}'],
    ["ns", "unregister", "app"],
  ];
  for await (const chunk of watcher.stdout) {
    rest += new TextDecoder().decode(chunk);
    for (let end = rest.indexOf("\n"); end !== -1; end = rest.indexOf("\n")) {
      lines.push(JSON.parse(rest.slice(0, end)));
      rest = rest.slice(end + 1);
      const change = changes.shift();
      if (change) await t.run(change);
      else watcher.kill("SIGINT");
    }
  }
  expect(lines).toEqual([
    { pack_id: "app", meta: { n: 1 }, revision: 1, updated: expect.any(String) },
    { pack_id: "app", meta: { n: 2 }, revision: 2, updated: expect.any(String) },
    { pack_id: "app", meta: null, revision: null, updated: null },
  ]);
  expect(await watcher.exited).toBe(0);
});
