/** What waits for its confirmation goes back in time, whatever dies meanwhile: the watcher, the daemon, the machine. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import { serviceHome, simplePack } from "../daemon/service-home.ts";
import { auroraCommand } from "../support/aurora.ts";
import { endWatcher } from "../support/end-watcher.ts";
import { endProcesses, testHome } from "../support/test-home.ts";

type Home = ReturnType<typeof testHome>;

const TEN_MINUTES_MS = 600_000;

/** Version 2 is live and waits for ten minutes; version 1 was before. Nothing of it runs: the power is off. */
async function poweredOff(): Promise<Home> {
  const t = testHome();
  for (const version of ["1.0.0", "2.0.0"]) t.write({ id: "app", name: version, version });
  expect((await t.run(["install", "./packs/1.0.0"])).exitCode).toBe(0);
  const waiting = ["install", "./packs/2.0.0", "--confirm-within", "10m", "--no-daemon"];
  expect((await t.run(waiting)).exitCode).toBe(0);
  endProcesses(t.home);
  await endWatcher(t.home);
  return t;
}

/** Runs aurora as if the machine had been started again so long ago: with another boot id, and an uptime that began anew. */
async function afterReboot(t: Home, uptimeMs: number, argv: readonly string[]): Promise<string> {
  const [uptime = 0] = (await Bun.file("/proc/uptime").text()).split(" ").map(Number);
  const bootId = `${t.shared}/boot_id`;
  writeFileSync(bootId, "6c4a5f0e-0000-4000-8000-000000000000\n");
  const script = `mount --bind ${bootId} /proc/sys/kernel/random/boot_id && exec "$0" "$@"`;
  const offset = String(Math.round(uptimeMs / 1000 - uptime));
  const own = ["unshare", "--mount", "--time", "--fork", "--boottime", offset, "sh", "-c", script];
  const child = Bun.spawnSync([...own, ...auroraCommand, ...argv, "--home", t.home, "--no-daemon"], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent" },
  });
  expect(child.exitCode).toBe(0);
  return child.stdout.toString();
}

const liveAfterReboot = async (t: Home, uptimeMs: number) =>
  (JSON.parse(await afterReboot(t, uptimeMs, ["list", "--json"])) as { version: string }[])[0]?.version;

const canReboot =
  process.getuid?.() === 0 && Bun.spawnSync(["unshare", "--time", "--fork", "true"]).exitCode === 0;

test.skipIf(!canReboot)(
  "over a reboot, the time since it counts: the next command goes back when that is over (needs root)",
  async () => {
    await using t = await poweredOff();
    expect(await liveAfterReboot(t, 1000)).toBe("2.0.0");
    // What has passed before the reboot counts as well.
    expect(await liveAfterReboot(t, TEN_MINUTES_MS / 2)).toBe("2.0.0");
    expect(await liveAfterReboot(t, TEN_MINUTES_MS + 1000)).toBe("1.0.0");
    expect((await t.json(["history", "app"])).value).toMatchObject([
      { outcome: "committed" },
      { outcome: "reverted", reason: "it was not confirmed in time" },
    ]);
  },
);

test.skipIf(!canReboot)("over a reboot, what is confirmed stays (needs root)", async () => {
  await using t = await poweredOff();
  expect(await afterReboot(t, 1000, ["confirm", "app"])).toBe("app is confirmed\n");
  expect(await liveAfterReboot(t, TEN_MINUTES_MS + 1000)).toBe("2.0.0");
});

/** Puts the beginning of the wait into an earlier boot, so that by the wall clock so much of ten minutes is left. */
function startedBeforeReboot(home: string, leftMs: number): void {
  using database = new Database(`${home}/state.db`);
  const confirm = JSON.stringify({
    within_ms: TEN_MINUTES_MS * 1000,
    started: { bootId: "an earlier boot", uptimeMs: 1 },
    started_at: new Date(Date.now() - TEN_MINUTES_MS * 1000 + leftMs).toISOString(),
  });
  database.run("UPDATE transactions SET confirm = ? WHERE state = 'unconfirmed'", [confirm]);
}

/** What is live by the registry: a command would look at the deadline itself. */
function liveVersion(home: string): string | undefined {
  using database = new Database(`${home}/state.db`, { readonly: true });
  database.run("PRAGMA busy_timeout = 10000");
  return database.query<{ version: string }, []>("SELECT version FROM packs").get()?.version;
}

test("who watches after a reboot does not give up before the time is over", async () => {
  await using t = await poweredOff();
  startedBeforeReboot(t.home, 1000);
  expect(await t.run(["recover", "--watch"])).toMatchObject({ exitCode: 0 });
  expect(liveVersion(t.home)).toBe("1.0.0");
});

test("the daemon dies while it watches: the next one goes back, without a command", async () => {
  await using t = serviceHome();
  t.write(simplePack());
  await t.run(["install", "app"]);
  t.write(simplePack({ version: "2.0.0" }));
  expect((await t.run(["install", "app", "--confirm-within", "10m"])).exitCode).toBe(0);
  await t.crashDaemon();
  expect(await t.status()).toMatchObject({ version: "2.0.0", state: "running" });
  startedBeforeReboot(t.home, 0);
  const daemon = Bun.spawn([...auroraCommand, "daemon", "--home", t.home], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  while (liveVersion(t.home) !== "1.0.0") await Bun.sleep(20);
  await t.reaches("the old version", (status) => status.version === "1.0.0" && status.state === "running");
  daemon.kill();
  await daemon.exited;
});

test("the time begins when the new version is live and healthy, however long that took", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app", "--confirm-within", "10m", "--no-daemon"]);
  using database = new Database(`${t.home}/state.db`, { readonly: true });
  const row = database.query<{ began: string; done: string }, []>(
    `SELECT json_extract(confirm, '$.started_at') AS began,
       (SELECT max(at) FROM journal WHERE transaction_id = transactions.id AND status = 'done') AS done FROM transactions`,
  );
  const { began, done } = row.get() as { began: string; done: string };
  expect(began >= done).toBe(true);
  await endWatcher(t.home);
});
