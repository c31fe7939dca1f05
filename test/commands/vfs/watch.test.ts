import { expect, test } from "bun:test";

import { auroraCommand } from "../../support/aurora.ts";
import { vfsHome } from "../../support/vfs-home.ts";

test("one line for each change, until a signal ends it", async () => {
  await using t = await vfsHome({ "d/a": "1" });
  const watching = Bun.spawn([...auroraCommand, "vfs", "watch", "app", "/d", "--json"], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/", AURORA_HOME: t.home },
    stdout: "pipe",
    stderr: "pipe",
  });
  const reader = watching.stdout.getReader();
  // It cannot be seen from outside when the watch is set up: so there are changes until one is seen.
  const first = reader.read().then(({ value }) => value);
  do await Bun.write(`${t.home}/data/app/d/b`, "1");
  while (!(await Promise.race([first, Bun.sleep(20)])));
  const [line = ""] = Buffer.from((await first) ?? [])
    .toString()
    .split("\n");
  expect(JSON.parse(line)).toEqual({
    at: expect.stringMatching(/Z$/),
    type: expect.stringMatching(/^(rename|change)$/),
    name: "b",
  });
  watching.kill("SIGTERM");
  expect(await watching.exited).toBe(0);
  expect(await watching.stderr.text()).toBe("");
});

test("what is not there", async () => {
  await using t = await vfsHome({ a: "1" });
  expect(await t.run(["vfs", "watch", "app", "x"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: cannot watch "/x": there is nothing at that path\n',
    exitCode: 5,
  });
});
