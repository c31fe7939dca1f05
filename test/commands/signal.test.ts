import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { simplePack } from "../daemon/service-home.ts";
import { eventually } from "../support/eventually.ts";
import { testHome } from "../support/test-home.ts";
import { userHome, users } from "../support/user-home.ts";

const TIMEOUT_MS = 60_000;
/** Says what it gets, by `name`. What it waits for gets the signals that are for all, too. */
const listener = (name: string) =>
  `trap 'echo ${name} got HUP >> data/got' HUP; echo ${name} >> data/ready; while :; do sleep 0.05 || :; done`;

describe.each(users)("as %s", (user) => {
  async function started(
    pack: Parameters<ReturnType<typeof userHome>["write"]>[0],
    names: readonly string[],
  ) {
    const t = userHome(user);
    t.write(pack);
    await t.run(["install", "app", "--quiet"]);
    const linesOf = (file: string) => {
      try {
        return readFileSync(`${t.home}/data/app/${file}`, "utf8").trimEnd().split("\n").toSorted();
      } catch {
        return [];
      }
    };
    const reach = (file: string, lines: readonly string[]) =>
      eventually(`${file}: ${lines.join(", ")}`, () => Bun.deepEquals(linesOf(file), lines) || undefined);
    await reach("ready", names);
    return { t, reach };
  }

  test(
    "the process that the start became gets it, and with --all those below it too",
    async () => {
      const start = `(${listener("child")}) &\n${listener("main")}`;
      const { t: home, reach } = await started(simplePack({ start }), ["child", "main"]);
      await using t = home;
      const { pids, ...sent } = (await t.json(["signal", "app", "hup"])) as { pids: number[] };
      expect([sent, pids.length]).toEqual([{ pack_id: "app", signal: "SIGHUP" }, 1]);
      await reach("got", ["main got HUP"]);
      const all = await t.run(["signal", "app", "1", "--all"]);
      expect(all).toEqual({
        stdout: expect.stringMatching(/^SIGHUP is sent to app \(pid \d+(, \d+)+\)\n$/),
        stderr: "",
        exitCode: 0,
      });
      await reach("got", ["child got HUP", "main got HUP", "main got HUP"]);
      expect(await t.json(["status", "app"])).toMatchObject([{ state: "running", restarts: 0 }]);
    },
    TIMEOUT_MS,
  );

  test(
    "of a oneshot pack all that its start has left get it",
    async () => {
      const start = `(${listener("one")}) &\n(${listener("two")}) &`;
      const pack = { id: "app", install: null, start, stop: null, health: null };
      const { t: home, reach } = await started(pack, ["one", "two"]);
      await using t = home;
      expect((await t.run(["signal", "app", "SIGHUP"])).exitCode).toBe(0);
      await reach("got", ["one got HUP", "two got HUP"]);
    },
    TIMEOUT_MS,
  );
});

test("what ends by it is judged by its policy: it is started again, or has failed", async () => {
  await using t = testHome();
  t.write(simplePack({ service: ", restart: always" }));
  await t.run(["install", "app"]);
  expect((await t.run(["signal", "app", "KILL"])).exitCode).toBe(0);
  await eventually("a restart", async () => {
    const [app] = (await t.json(["status", "app"])).value as [{ restarts: number; last_end: string }];
    return (
      (app.restarts === 1 && app.last_end === "it died of SIGKILL, which the daemon did not send") ||
      undefined
    );
  });
});

test("what does not run: exit 3; an unknown signal: exit 2; an unknown pack: exit 5", async () => {
  await using t = testHome();
  t.write(simplePack());
  await t.run(["install", "app", "--no-start"]);
  expect(await t.run(["signal", "app", "HUP"])).toEqual({
    stdout: "app is not running\n",
    stderr: "",
    exitCode: 3,
  });
  for (const [name, hint] of [
    ["HPU", 'did you mean "SIGHUP"?'],
    ["sigusr3", 'did you mean "SIGUSR1"?'],
    ["0", "such as HUP, USR1, SIGTERM or 9"],
    ["65", "such as HUP, USR1, SIGTERM or 9"],
  ] as const)
    expect(await t.run(["signal", "app", name])).toEqual({
      stdout: "",
      stderr: `error[usage]: there is no signal "${name}"\nhint: ${hint}\n`,
      exitCode: 2,
    });
  expect(await t.run(["signal", "nobody", "HUP"])).toMatchObject({ stdout: "", exitCode: 5 });
});
