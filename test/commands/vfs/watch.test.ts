import { expect, test } from "bun:test";

import { auroraCommand } from "../../support/aurora.ts";
import { vfsHome } from "../../support/vfs-home.ts";

/** Returns when the watch is set up: with the first that it says. */
async function watch(home: string, path: string) {
  const watching = Bun.spawn([...auroraCommand, "vfs", "watch", "app", path, "--json"], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/", AURORA_HOME: home },
    stdout: "pipe",
    stderr: "pipe",
  });
  const reader = watching.stdout.getReader();
  const first = reader.read().then(({ value }) => Buffer.from(value ?? []));
  // It cannot be seen from outside: so there are changes until one is seen.
  do await Bun.write(`${home}/data/app${path}/b`, "1");
  while (!(await Promise.race([first, Bun.sleep(20)])));
  return { watching, first: await first };
}

test("one line for each change, until a signal ends it", async () => {
  await using t = await vfsHome({ "d/a": "1" });
  const { watching, first } = await watch(t.home, "/d");
  const [line = ""] = first.toString().split("\n");
  expect(JSON.parse(line)).toEqual({
    at: expect.stringMatching(/Z$/),
    type: expect.stringMatching(/^(rename|change)$/),
    name: "b",
  });
  watching.kill("SIGTERM");
  expect(await watching.exited).toBe(0);
  expect(await watching.stderr.text()).toBe("");
});

test.each([
  ["/d", ["vfs", "rm", "app", "/d", "-r"]],
  ["/d", ["remove", "app", "--purge"]],
  ["/", ["remove", "app", "--purge"]],
])("of %s ends with exit 5 when that is gone, by %j", async (path, argv) => {
  await using t = await vfsHome({ "d/a": "1" });
  await t.run(["install", "app"]);
  const { watching } = await watch(t.home, path);
  expect(await t.run(argv)).toMatchObject({ exitCode: 0 });
  expect(await watching.exited).toBe(5);
  expect(await watching.stderr.text()).toBe(
    `{"error":{"code":"not-found","message":"\\"${path}\\" of \\"app\\" is gone, and what has come in its place is not watched","hint":null,"exit_code":5,"diagnostics":[]}}\n`,
  );
});

test("what is not there", async () => {
  await using t = await vfsHome({ a: "1" });
  expect(await t.run(["vfs", "watch", "app", "x"])).toEqual({
    stdout: "",
    stderr: 'error[not-found]: cannot watch "/x": there is nothing at that path\n',
    exitCode: 5,
  });
});
