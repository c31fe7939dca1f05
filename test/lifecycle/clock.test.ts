/** A clock that is set while Aurora works: what it says is shown, and decides nothing. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";

import { type Context } from "../../src/commands/command.ts";
import { run as confirm } from "../../src/commands/confirm.ts";
import { run as install } from "../../src/commands/install.ts";
import { run as list } from "../../src/commands/list.ts";
import { run as rollback } from "../../src/commands/rollback.ts";
import { run as show } from "../../src/commands/show.ts";
import { run as stage } from "../../src/commands/stage.ts";
import { run as verify } from "../../src/commands/verify.ts";
import { endWatcher } from "../support/end-watcher.ts";
import { testHome } from "../support/test-home.ts";

type Home = ReturnType<typeof testHome>;

const YEAR_MS = 365 * 24 * 3600 * 1000;

/** @param off how far off the clock is at its n-th look */
function contextOf(t: Home, off: (look: number) => number): Context {
  let looks = 0;
  return {
    home: t.home,
    cwd: t.packs,
    env: { PATH: Bun.env["PATH"], AURORA_PACKS: t.packs },
    // What it would leave behind to watch a deadline is not wanted here.
    self: "/bin/true",
    now: () => new Date(Date.now() + off(looks++)),
    signal: new AbortController().signal,
    json: true,
    quiet: true,
    waitMs: 1000,
    noDaemon: true,
    hasScreen: false,
    openScreen: () => Promise.reject(new Error("there is no screen")),
    stdin: { isTerminal: false, chunks: async function* () {} },
    stdout: { isTerminal: false, write: () => {}, color: false },
    log: { info: () => {}, warn: () => {}, progress: () => {}, flush: async () => {} },
    ask: async () => undefined,
  };
}

const args = (...words: string[]) => ({ args: words, rest: [], options: {} }) as never;

test("set back and forth by a year at every look: the same as with a clock that runs", async () => {
  await using t = testHome();
  for (const version of ["1.0.0", "2.0.0", "3.0.0"]) t.write({ id: "app", name: version, version });
  const context = contextOf(t, (look) => (look % 2 === 0 ? YEAR_MS : -YEAR_MS));
  const versions = async () => (await list(context)).map(({ version, generation }) => [version, generation]);
  for (const version of ["1.0.0", "2.0.0"])
    expect(await install(context, args(`./${version}`))).toMatchObject({ state: "committed" });
  expect(await versions()).toEqual([["2.0.0", 2]]);
  expect(await rollback(context, args("app"))).toMatchObject({ state: "committed" });
  expect(await versions()).toEqual([["1.0.0", 3]]);
  expect(
    await install(context, {
      args: ["./3.0.0"],
      rest: [],
      options: { "confirm-within": "10m" },
    } as never),
  ).toMatchObject({ state: "unconfirmed" });
  // The next command looks at the deadline, a year later or earlier.
  expect(await versions()).toEqual([["3.0.0", 4]]);
  expect(await versions()).toEqual([["3.0.0", 4]]);
  expect(await confirm(context, args("app"))).toMatchObject({ state: "committed" });
  expect(await verify(context, args())).toMatchObject({ ok: true });
});

test("what was staged last is what was staged last, while the clock goes back", async () => {
  await using t = testHome();
  for (const version of ["1.0.0", "2.0.0"]) t.write({ id: "app", name: version, version });
  const context = contextOf(t, (look) => -look * YEAR_MS);
  for (const version of ["1.0.0", "2.0.0", "1.0.0", "2.0.0"]) {
    await stage(context, args(`./${version}`));
    expect(await show(context, args("app"))).toMatchObject({ version });
  }
});

test("after a reboot without a watcher, the next command goes back once the time is over", async () => {
  await using t = testHome();
  for (const version of ["1.0.0", "2.0.0"]) t.write({ id: "app", name: version, version });
  await t.run(["install", "./packs/1.0.0"]);
  await t.run(["install", "./packs/2.0.0", "--confirm-within", "1h"]);
  await endWatcher(t.home);
  using database = new Database(`${t.home}/state.db`);
  const reboot = (startedAgoMs: number) => {
    const confirm = JSON.stringify({
      within_ms: 10 * YEAR_MS,
      started: { bootId: "an earlier boot", uptimeMs: 1 },
      started_at: new Date(Date.now() - startedAgoMs).toISOString(),
    });
    database.run("UPDATE transactions SET confirm = ? WHERE state = 'unconfirmed'", [confirm]);
  };
  reboot(9 * YEAR_MS);
  expect((await t.json(["list"])).value).toMatchObject([{ version: "2.0.0", generation: 2 }]);
  reboot(11 * YEAR_MS);
  expect(await t.json(["list"])).toMatchObject({
    value: [{ version: "1.0.0", generation: 1 }],
    stderr: expect.stringContaining("it was not confirmed in time"),
  });
});
