/** A pack that knows nothing of Aurora beyond its manifest runs unchanged. */
import { describe, expect, test } from "bun:test";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { hasEnded, testHome } from "../support/test-home.ts";

const hasPython = Bun.which("python3") !== null && Bun.which("bash") !== null;

describe.skipIf(!hasPython)("a pack in Python and bash", () => {
  test("its own tests run in the dry run, its start puts a process into the background, its health imports from its tree", async () => {
    await using t = testHome();
    const source = join(t.packs, "legacy_counter");
    cpSync(join(import.meta.dir, "../fixtures/packs/legacy_counter"), source, { recursive: true });

    const rehearsal = await t.run(["dry-run", source]);
    expect(rehearsal).toMatchObject({ exitCode: 0 });
    expect(rehearsal.stdout).toContain("Ran 2 tests in ");
    expect(rehearsal.stdout).toContain("  + scratch-of-the-test/file\n");

    expect(await t.run(["install", source])).toMatchObject({ stdout: "committed\nlegacy_counter 2.3.1, generation 1, healthy\n", exitCode: 0 });
    expect(await t.run(["health"])).toMatchObject({ exitCode: 0 });
    // What it wrote to "its" logs and data is outside the tree, which is as it was staged.
    expect(readFileSync(`${t.home}/logs/legacy_counter/setup.log`, "utf8")).toStartWith("installed at ");
    expect(readFileSync(`${t.home}/logs/legacy_counter/counter.log`, "utf8")).toBe("counting\n");
    expect(await t.run(["verify"])).toMatchObject({ stdout: "legacy_counter 2.3.1  ok\n", exitCode: 0 });

    const pid = Number(readFileSync(`${t.home}/data/legacy_counter/counter.pid`, "utf8"));
    expect(hasEnded(pid)).toBe(false);
    // Its stop script is broken, and always was.
    expect(await t.run(["stop", "legacy_counter"])).toMatchObject({ stdout: "legacy_counter is stopped\n", exitCode: 0 });
    expect(hasEnded(pid)).toBe(true);
    expect(await t.run(["verify"])).toMatchObject({ exitCode: 0 });
  });
});

test("scripts in TypeScript run on the built-in runtime, and call back", async () => {
  await using t = testHome();
  t.write({
    id: "typed",
    install: null,
    start: null,
    stop: null,
    health: null,
    files: {
      "start.ts": `import { greeting } from "./lib/greeting.ts";
const child = Bun.spawnSync([process.env.AURORA_BIN!, "ns", "register", "typed", "--meta", JSON.stringify({ greeting, argv: process.argv.slice(2) })]);
console.log(child.stdout.toString());
process.exit(child.exitCode);`,
      "lib/greeting.ts": `export const greeting: string = "hello " + process.env.AURORA_PACK_ID;`,
    },
    manifest: '  entrypoint: { start: ["start.ts", "--fast"] }',
  });
  expect(await t.run(["install", "typed"])).toMatchObject({ stdout: "committed\ntyped 1.0.0, generation 1\n", exitCode: 0 });
  expect((await t.json(["ns", "get", "typed"])).value).toMatchObject({ meta: { greeting: "hello typed", argv: ["--fast"] } });
  expect(await t.run(["verify"])).toMatchObject({ exitCode: 0 });
});

test("every script may call back while its caller holds the lock; what it left behind is told that nobody listens", async () => {
  await using t = testHome();
  const call = (name: string) => `"$AURORA_BIN" ns register app --meta '{"by":"${name}"}' --wait 0 >> data/calls 2>&1`;
  t.write({
    id: "app",
    install: call("install"),
    start: `${call("start")}; (while [ ! -e data/go ]; do sleep 0.02; done; ${call("orphan")} || { echo "$?" > data/going; mv data/going data/gone; }) > /dev/null 2>&1 &`,
    stop: call("stop"),
    health: call("health"),
  });
  expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
  await Bun.write(`${t.home}/data/app/go`, "");
  while (!(await Bun.file(`${t.home}/data/app/gone`).exists())) await Bun.sleep(10);
  expect(await Bun.file(`${t.home}/data/app/gone`).text()).toBe("1\n");
  expect(await t.run(["stop", "app"])).toMatchObject({ stderr: "", exitCode: 0 });
  expect(await Bun.file(`${t.home}/data/app/calls`).text()).toBe(`app is registered, revision 1
app is registered, revision 2
app is registered, revision 3
error[not-supported]: cannot ask for ns register: the command that started this process has ended, and no daemon serves it
hint: call it from a lifecycle script while that runs; aurora vfs and aurora logs work at any time
app is registered, revision 4
`);
  expect((await t.json(["ns", "list"])).value).toMatchObject([{ pack_id: "app", meta: { by: "stop" }, revision: 4 }]);
});
