import { Database } from "bun:sqlite";
/** Services under the real daemon, seen from outside: real processes, real crashes. */
import { expect, test } from "bun:test";
import { chmodSync, closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";

import { tryFlock } from "../../src/system/flock.ts";
import { aurora, auroraCommand } from "../support/aurora.ts";
import { eventually } from "../support/eventually.ts";
import { hasEnded } from "../support/test-home.ts";
import { serviceHome, simplePack } from "./service-home.ts";

test("a simple service is installed, started, restarted when it dies, stopped and removed", async () => {
  await using t = serviceHome();
  t.write(simplePack());
  expect(await t.run(["install", "app"])).toMatchObject({
    stdout: "committed\napp 1.0.0, generation 1\n",
    exitCode: 0,
  });
  const first = await t.status();
  expect(first).toMatchObject({ state: "running", health: "unknown", restarts: 0, exit_code: null });
  expect(t.processesOf()).toEqual([first.pid as number]);

  process.kill(first.pid as number, "SIGKILL");
  const second = await t.reaches("a restart", ({ restarts, state }) => restarts === 1 && state === "running");
  expect(second.pid).not.toBe(first.pid);
  // In a pid namespace of its own it has another number for itself.
  await t.prints(/^(up \d+\n){2}$/);

  expect(await t.run(["stop", "app"])).toEqual({ stdout: "app is stopped\n", stderr: "", exitCode: 0 });
  expect(t.processesOf()).toEqual([]);
  expect(await t.run(["stop", "app"])).toEqual({
    stdout: "app is already stopped\n",
    stderr: "",
    exitCode: 0,
  });
  expect(await t.events()).toEqual([
    "staged",
    "transaction-began",
    "started",
    "committed",
    "restarted",
    "stopped",
  ]);
  expect((await t.run(["start", "app"])).stdout).toBe("app is running (pid PID)\n");
  expect((await t.run(["start", "app"])).stdout).toBe("app is already running (pid PID)\n");
  expect(t.processesOf()).toHaveLength(1);
  expect((await t.run(["remove", "app"])).exitCode).toBe(0);
  expect(t.processesOf()).toEqual([]);
});

test("services outlive the daemon's crash, go on writing, and are taken over without a second instance", async () => {
  await using t = serviceHome();
  t.write(simplePack({ start: 'echo "up $$"\nwhile :; do echo tick; sleep 0.05; done' }));
  await t.run(["install", "app"]);
  await t.prints(/^up /);
  const { pid } = await t.status();
  process.kill(pid as number, "SIGKILL");
  const before = await t.reaches("a restart", ({ restarts, state }) => restarts === 1 && state === "running");
  await t.prints(/(^up [^]*){2}/m);

  await t.crashDaemon();
  const length = t.log().length;
  await eventually("more of its log", () => t.log().length > length || undefined);
  expect(await t.status()).toMatchObject({ state: "running", pid: before.pid, restarts: 1 });

  const old = t.daemonPid();
  expect((await t.run(["start", "app"])).stdout).toBe("app is already running (pid PID)\n");
  expect(t.daemonPid()).not.toBe(old);
  expect(await t.status()).toMatchObject({ state: "running", pid: before.pid, restarts: 1 });
  expect(t.processesOf().filter((one) => one === before.pid)).toHaveLength(1);

  process.kill(before.pid as number, "SIGKILL");
  const after = await t.reaches("a restart by the next daemon", ({ restarts }) => restarts === 2);
  expect(after.pid).not.toBe(before.pid);
  await t.prints(/(^up [^]*){3}/m);
});

test("a service that died while there was no daemon is started again by the next one", async () => {
  await using t = serviceHome();
  t.write(simplePack());
  await t.run(["install", "app"]);
  const { pid } = await t.status();
  await t.crashDaemon();
  process.kill(pid as number, "SIGKILL");
  expect(
    await eventually("its end", async () => ((await t.status()).state === "exited" ? true : undefined)),
  ).toBe(true);
  await t.run(["start", "app"]);
  await t.reaches("a new start", (status) => status.state === "running" && status.pid !== pid);
  expect(t.processesOf()).toHaveLength(1);
});

test("the daemon becomes another program file, and ends and comes back, without a restart of a service", async () => {
  await using t = serviceHome();
  t.write(simplePack());
  await t.run(["install", "app"]);
  const { pid } = await t.status();
  const daemon = t.daemonPid();
  expect(await t.run(["daemon", "reload", "--binary"])).toMatchObject({ stderr: "", exitCode: 0 });
  expect(t.daemonPid()).toBe(daemon as number);
  expect(await t.status()).toMatchObject({ pid, restarts: 0 });

  expect((await t.run(["daemon", "stop"])).stdout).toBe("the daemon (pid PID) has ended\n");
  expect(await t.status()).toMatchObject({ pid, state: "running" });
  await t.run(["start", "app"]);
  expect(t.daemonPid()).not.toBe(daemon);
  expect(await t.status()).toMatchObject({ pid, state: "running", restarts: 0 });
});

test("daemon stop --services stops all, dependents first, and the next daemon starts them again in order", async () => {
  await using t = serviceHome();
  chmodSync(t.shared, 0o777);
  const permissions = `  permissions: { write: ["${t.shared}"] }`;
  writeFileSync(`${t.shared}/order`, "");
  chmodSync(`${t.shared}/order`, 0o666);
  const said = (id: string) => `trap 'rm data/ready; echo "down ${id}" >> "${t.shared}/order"; exit 0' TERM
echo "up ${id}" >> "${t.shared}/order"
touch data/ready
while :; do sleep 0.02; done`;
  const health = "test -e data/ready";
  t.write(simplePack({ id: "base", start: said("base"), health, manifest: permissions }));
  t.write(
    simplePack({
      id: "app",
      start: said("app"),
      health,
      manifest: `  dependencies: [{ pack_id: base }]\n${permissions}`,
    }),
  );
  expect((await t.run(["install", "app", "--approve"])).exitCode).toBe(0);
  expect((await t.run(["daemon", "stop", "--services"])).exitCode).toBe(0);
  expect([...t.processesOf("app"), ...t.processesOf("base")]).toEqual([]);
  expect(await t.status()).toMatchObject({ state: "stopped" });

  const daemon = Bun.spawn([...auroraCommand, "daemon", "--home", t.home], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  await t.reaches("the start of app", ({ health: found }) => found === "healthy");
  daemon.kill();
  await daemon.exited;
  const order = readFileSync(`${t.shared}/order`, "utf8").trim().split("\n");
  expect(order).toEqual(["up base", "up app", "down app", "down base", "up base", "up app"]);
});

test("the order goes through a pack that is not supervised, and whose processes have ended", async () => {
  await using t = serviceHome();
  writeFileSync(`${t.shared}/order`, "");
  chmodSync(`${t.shared}/order`, 0o666);
  const permissions = `  permissions: { write: ["${t.shared}"] }`;
  const said = (id: string, wait: string) =>
    `trap '${wait} echo "down ${id}" >> "${t.shared}/order"; exit 0' TERM\ntouch data/ready\nwhile :; do sleep 0.02; done`;
  const health = "test -e data/ready";
  t.write(simplePack({ id: "base", start: said("base", ""), health, manifest: permissions }));
  t.write({
    id: "between",
    install: null,
    start: "sleep 300 &\necho $! > data/pid",
    stop: null,
    health: null,
    manifest: "  dependencies: [{ pack_id: base }]",
  });
  const needs = `  dependencies: [{ pack_id: between }]\n${permissions}`;
  t.write(simplePack({ start: said("app", "sleep 0.3;"), health, manifest: needs }));
  expect((await t.run(["install", "app", "--approve"])).exitCode).toBe(0);
  process.kill(Number(readFileSync(`${t.home}/data/between/pid`, "utf8")), "SIGKILL");
  await t.reaches("its end", ({ state }) => state === "exited", "between");
  expect((await t.run(["daemon", "stop", "--services"])).exitCode).toBe(0);
  expect(readFileSync(`${t.shared}/order`, "utf8")).toBe("down app\ndown base\n");
});

test("an upgrade whose service does not start goes back, and the old one runs again", async () => {
  await using t = serviceHome();
  t.write(simplePack());
  await t.run(["install", "app"]);
  t.write(simplePack({ version: "2.0.0", start: "echo broken >&2\nexit 3", service: ", restart: no" }));
  const { stdout, exitCode } = await t.run(["install", "app"]);
  expect(stdout).toStartWith("rolled back: app: its start script ended with exit code 3");
  expect(exitCode).toBe(4);
  expect(await t.status()).toMatchObject({ version: "1.0.0", generation: 1, state: "running" });
  expect(t.processesOf()).toHaveLength(1);
});

test.skipIf(Bun.which("python3") === null)(
  "one that is still at work after a moment, and fails then, does not start either",
  async () => {
    await using t = serviceHome();
    const work =
      "import time\nend = time.monotonic() + 0.3\nwhile time.monotonic() < end: pass\nraise SystemExit(3)\n";
    const files = { "work.py": work };
    t.write(simplePack({ start: "exec python3 work.py", service: ", restart: no", files }));
    const { stdout, exitCode } = await t.run(["install", "app"]);
    expect(stdout).toStartWith("rolled back: app: its start script ended with exit code 3");
    expect(exitCode).toBe(4);
  },
);

test("a service that fails at once has not started, also where it runs again before anybody looks", async () => {
  await using t = serviceHome();
  const limit = "start_limit: { burst: 1000, interval_seconds: 1 }";
  t.write({
    ...simplePack({ start: "exit 7" }),
    manifest: `  service: { type: simple, backoff_seconds: [0.001, 0.001], ${limit} }`,
  });
  expect((await t.run(["install", "app"])).stdout).toStartWith(
    "rolled back: app: it ended with exit code 7\n",
  );
  t.write({ ...simplePack(), version: "2.0.0" });
  expect((await t.run(["install", "app"])).exitCode).toBe(0);
});

test("an upgrade whose service stays unhealthy goes back; a good one can be rolled back", async () => {
  await using t = serviceHome();
  t.write(simplePack({ health: "exit 0" }));
  await t.run(["install", "app"]);
  t.write(simplePack({ version: "2.0.0", health: "echo sick\nexit 1", isSick: true }));
  expect((await t.run(["install", "app"])).exitCode).toBe(4);
  await t.reaches("the old one", ({ version, state }) => version === "1.0.0" && state === "running");

  t.write(simplePack({ version: "3.0.0", health: "exit 0" }));
  expect((await t.run(["install", "app"])).exitCode).toBe(0);
  expect(await t.status()).toMatchObject({ version: "3.0.0" });
  expect((await t.run(["rollback", "app"])).exitCode).toBe(0);
  const back = await t.reaches(
    "the old one",
    ({ version, state }) => version === "1.0.0" && state === "running",
  );
  expect(t.processesOf()).toEqual([back.pid as number]);
});

test("what an install has found healthy runs when it is done, and need not be found healthy again", async () => {
  await using t = serviceHome();
  // Whoever looks first finds it unhealthy, and would look again in ten seconds.
  const health = "mkdir data/seen 2> /dev/null && exit 1; exit 0";
  t.write(simplePack({ health, intervalSeconds: 10 }));
  expect((await t.run(["install", "app"])).exitCode).toBe(0);
  expect(await t.status()).toMatchObject({ state: "running", health: "healthy" });
  expect((await t.run(["status", "app"])).exitCode).toBe(0);
});

test("a service that is stopped with the daemon, in the middle of its gate, says nothing against its pack", async () => {
  await using t = serviceHome();
  t.write(simplePack({ health: "echo > data/checked; [ -e data/ok ]" }));
  const install = t.run(["install", "app", "--quiet"]);
  await eventually("its first check", () => existsSync(`${t.home}/data/app/checked`) || undefined);
  expect(await t.run(["daemon", "stop", "--services"])).toMatchObject({ exitCode: 0 });
  writeFileSync(`${t.home}/data/app/ok`, "");
  expect(await install).toMatchObject({
    stdout: expect.stringMatching(
      /^rolled back: app: it is not healthy: its checks pass, and it is stopped\n/,
    ),
    exitCode: 4,
  });
  // It is not in quarantine, which would take --retry.
  expect(await t.run(["install", "app", "--quiet"])).toMatchObject({ exitCode: 0 });
});

test("what answers on its port is not the service where that is down", async () => {
  await using t = serviceHome();
  const bothAsk = Promise.withResolvers<void>();
  let asked = 0;
  const isDown = bothAsk.promise.then(() => {
    writeFileSync(`${t.home}/data/app/go`, "");
    return eventually("its end", async () => (await t.events()).includes("failed") || undefined);
  });
  // The daemon asks as soon as the service runs, and the install when it has seen it run: nobody is answered before it ends.
  await using other = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch: async () => {
      if (++asked === 2) bothAsk.resolve();
      await isDown;
      return new Response("healthy");
    },
  });
  t.write(
    simplePack({
      start: "while ! [ -e data/go ]; do sleep 0.02; done\nexit 7",
      service: ", restart: no",
      clocks: `http: "${other.url}"`,
    }),
  );
  const { stdout, exitCode } = await t.run(["install", "app"]);
  expect(stdout).toContain("it is not healthy: its checks pass, and it is failed: it ended with exit code 7");
  expect(exitCode).toBe(4);
});

test("a command that crashes in mid-transaction leaves what recovery brings back", async () => {
  await using t = serviceHome();
  t.write(simplePack({ health: "exit 0" }));
  await t.run(["install", "app"]);
  // The check of the new version hangs, so that the command can be ended while the new service runs.
  t.write(simplePack({ version: "2.0.0", health: "sleep 60", start: "echo new\nexec sleep 300" }));
  const command = Bun.spawn([...auroraCommand, "install", "app", "--home", t.home], {
    env: { PATH: Bun.env["PATH"] ?? "", AURORA_PACKS: t.packs },
    stdio: ["ignore", "ignore", "ignore"],
  });
  await t.prints(/^new\n/m);
  command.kill("SIGKILL");
  await command.exited;
  expect((await t.run(["recover"])).exitCode).toBe(0);
  const back = await t.reaches(
    "the old one",
    ({ version, state }) => version === "1.0.0" && state === "running",
  );
  expect(t.processesOf()).toEqual([back.pid as number]);
  expect(await t.events()).toContain("rolled-back");
});

test("a failing service is given up, and status, why and events say so; stop ends that", async () => {
  await using t = serviceHome();
  t.write(
    simplePack({
      start: 'test -e "$AURORA_HOME/break" && exit 7\necho works; exec sleep 300',
      service: ", start_limit: { burst: 3, interval_seconds: 60 }",
    }),
  );
  await t.run(["install", "app"]);
  await eventually("its first start", () => t.log().includes("works") || undefined);
  await Bun.write(`${t.home}/break`, "");
  process.kill((await t.status()).pid as number, "SIGKILL");
  const failed = await t.reaches("its failure", ({ state }) => state === "failed");
  expect(failed).toMatchObject({ restarts: 3, exit_code: 7, pid: null });
  expect(await t.events()).toEqual(expect.arrayContaining(["restarted", "failed"]));
  const why = await t.json(["why", "app"]);
  expect(why.value).toMatchObject({
    state: "failed",
    cause: expect.stringContaining(
      "it was restarted 3 times within 60 s; the last time it ended with exit code 7",
    ),
  });
  expect((await t.run(["stop", "app"])).exitCode).toBe(0);
  expect(await t.status()).toMatchObject({ state: "stopped" });
});

test("a rollback away from what fails starts the version before, which is what it is for", async () => {
  await using t = serviceHome();
  t.write(simplePack());
  expect((await t.run(["install", "app"])).exitCode).toBe(0);
  const failing = simplePack({
    start: 'test -e "$AURORA_HOME/break" && exit 7\nexec sleep 300',
    service: ", start_limit: { burst: 3, interval_seconds: 60 }",
  });
  t.write({ ...failing, name: "failing", version: "2.0.0" });
  expect((await t.run(["install", "./packs/failing"])).exitCode).toBe(0);
  await Bun.write(`${t.home}/break`, "");
  process.kill((await t.status()).pid as number, "SIGKILL");
  await t.reaches("its failure", ({ state }) => state === "failed");
  expect((await t.run(["rollback", "app"])).exitCode).toBe(0);
  expect(await t.status()).toMatchObject({ state: "running", version: "1.0.0", restarts: 0 });
});

test("what waits to be started again is tried again after an upgrade that fails too", async () => {
  await using t = serviceHome();
  t.write({
    ...simplePack({ start: 'test -e "$AURORA_HOME/break" && exit 7\nexec sleep 300', health: "exit 0" }),
    manifest: "  service: { type: simple, backoff_seconds: [60, 60] }",
  });
  await t.run(["install", "app"]);
  await Bun.write(`${t.home}/break`, "");
  process.kill((await t.status()).pid as number, "SIGKILL");
  const waiting = await t.reaches("its backoff", ({ state }) => state === "backoff");
  // What was found while it ran is no health of what does not run.
  expect(waiting).toMatchObject({ health: "unknown" });
  t.write({ ...simplePack({ health: "exit 1" }), isSick: true, name: "sick", version: "2.0.0" });
  expect(await t.run(["install", "./packs/sick"])).toMatchObject({ exitCode: 4 });
  expect(await t.status()).toMatchObject({ state: "backoff", generation: 1 });
  rmSync(`${t.home}/break`);
  expect(await t.run(["install", "./packs/sick", "--retry"])).toMatchObject({ exitCode: 4 });
  expect(await t.reaches("its start", ({ state }) => state === "running")).toMatchObject({ generation: 1 });
});

test("after a restart of the machine all that is wanted starts, in order, and what was stopped stays so", async () => {
  await using t = serviceHome();
  t.write({ id: "one", install: null, health: null });
  t.write(simplePack({ manifest: "  dependencies: [{ pack_id: one }]" }));
  t.write(simplePack({ id: "off" }));
  expect((await t.run(["install", "app", "off"])).exitCode).toBe(0);
  await t.run(["stop", "off"]);
  await t.crashDaemon();
  for (const packId of ["one", "app"]) for (const pid of t.processesOf(packId)) process.kill(pid, "SIGKILL");
  // What the machine's restart changes: the id of the boot.
  using database = new Database(`${t.home}/state.db`);
  database.run("UPDATE services SET boot_id = 'before'");
  const records = readFileSync(`${t.home}/run/services`, "utf8");
  await Bun.write(`${t.home}/run/services`, records.replaceAll(/"bootId":"[^"]*"/g, '"bootId":"before"'));

  const daemon = Bun.spawn([...auroraCommand, "daemon", "--home", t.home], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  const app = await t.reaches("app", ({ state }) => state === "running");
  const one = await t.status("one");
  expect(one.state).toBe("running");
  expect(Date.parse(one.since as string)).toBeLessThan(Date.parse(app.since as string));
  expect(await t.status("off")).toMatchObject({ state: "stopped" });
  daemon.kill();
  await daemon.exited;
});

test("what was not confirmed in time is rolled back by the daemon", async () => {
  await using t = serviceHome();
  t.write(simplePack());
  await t.run(["install", "app"]);
  t.write(simplePack({ version: "2.0.0" }));
  expect((await t.run(["install", "app", "--confirm-within", "1s"])).exitCode).toBe(0);
  await t.reaches("the old version", ({ version, state }) => version === "1.0.0" && state === "running");
});

test("of commands that need the daemon at the same time, one starts it", async () => {
  await using t = serviceHome();
  const ids = ["a", "b", "c", "d"];
  for (const id of ids) t.write(simplePack({ id }));
  await t.run(["install", "--no-start", ...ids]);
  expect(t.daemonPid()).toBeUndefined();
  const runs = await Promise.all(ids.map((id) => t.run(["start", id, "--wait", "60s"])));
  expect(runs.map(({ stdout }) => stdout)).toEqual(ids.map((id) => `${id} is running (pid PID)\n`));
  const log = readFileSync(`${t.home}/logs/daemon.log`, "utf8");
  expect(log.match(/listens on/g) ?? []).toHaveLength(0);
  expect(ids.flatMap((id) => t.processesOf(id))).toHaveLength(ids.length);
});

test("why and events say that a service was killed, and not by Aurora; when it runs again as well", async () => {
  await using t = serviceHome();
  t.write(simplePack());
  await t.run(["install", "app"]);
  process.kill((await t.status()).pid as number, "SIGKILL");
  await t.reaches("a restart", ({ restarts, state }) => restarts === 1 && state === "running");
  const reason = "it died of SIGKILL, which the daemon did not send";
  expect((await t.run(["events", "app"])).stdout).toMatch(new RegExp(`restarted .*reason=${reason}`));
  expect((await t.json(["why", "app"])).value).toMatchObject({
    state: "running",
    cause: expect.stringMatching(new RegExp(`; it was restarted once, the last time at \\S+: ${reason}`)),
    next: "aurora logs app",
  });
});

test("a daemon that a command has started ends when there is nothing to do; one in the way does not", async () => {
  await using t = serviceHome();
  t.write(simplePack());
  await t.run(["install", "app"]);
  await t.run(["daemon", "stop"]);
  const daemon = Bun.spawn([...auroraCommand, "daemon", "--home", t.home, "--idle-exit", "100ms"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  await eventually("the daemon", async () =>
    (await t.run(["daemon", "status"])).exitCode === 0 ? true : undefined,
  );
  expect(await t.status()).toMatchObject({ state: "running" });
  expect(hasEnded(daemon.pid)).toBe(false);
  await t.run(["stop", "app"]);
  const exitCode = await daemon.exited;
  const said = await daemon.stderr.text();
  expect(said).toContain("ending: idle");
  expect({ exitCode, said }).toEqual({ exitCode: 0, said });
  expect(existsSync(`${t.home}/run/aurora.sock`)).toBe(false);
});

test("--no-daemon forbids what needs one", async () => {
  await using t = serviceHome();
  t.write(simplePack());
  expect(await t.run(["install", "app", "--no-daemon"])).toEqual({
    stdout: "",
    stderr: `warning: app: the pack is started, and nothing tells whether it is healthy
error[failed]: cannot run "app": its service type is "simple", which needs the daemon, and --no-daemon forbids it
hint: leave out --no-daemon
`,
    exitCode: 1,
  });
  expect(t.daemonPid()).toBeUndefined();
  // What runs is not stopped for a start that cannot be.
  await t.run(["install", "app"]);
  const { pid } = await t.status();
  expect(await t.run(["restart", "app", "--no-daemon"])).toMatchObject({
    stderr: expect.stringContaining('cannot run "app"'),
    exitCode: 1,
  });
  expect(await t.status()).toMatchObject({ state: "running", pid });
});

const hasNotify = Bun.which("systemd-notify") !== null;
test.skipIf(!hasNotify)(
  "another first process inside a pid namespace is not followed, and the daemon says so",
  async () => {
    await using t = serviceHome();
    const pack = simplePack({ start: "systemd-notify --ready --pid=4711\nexec sleep 300" });
    t.write({ ...pack, manifest: pack.manifest?.replace("type: simple", "type: notify") ?? "" });
    await t.run(["install", "app"]);
    expect(await t.status()).toMatchObject({ state: "running", restarts: 0 });
    const log = readFileSync(`${t.home}/logs/daemon.log`, "utf8");
    expect(log).toMatch(/^warning: \S+ "app" says MAINPID=4711, which is not followed: /m);
  },
);

test.skipIf(!hasNotify)("a notify service is started when it says that it is ready", async () => {
  await using t = serviceHome();
  t.write({
    ...simplePack({ start: 'sleep 0.2\nsystemd-notify --ready --status="at your service"\nexec sleep 300' }),
    manifest: "  service: { type: notify }",
  });
  const { value } = await t.json(["install", "app"]);
  expect(value).toMatchObject({ state: "committed" });
  expect(await t.status()).toMatchObject({ state: "running" });
});

test("the service's environment is what the command had, also after a restart, and holds no lock", async () => {
  await using t = serviceHome();
  t.write(
    simplePack({
      start: 'echo "$COLOUR ${AURORA_LOCK:-free}"\nexec sleep 300',
      manifest: "  permissions: { env: [COLOUR] }",
    }),
  );
  await aurora(["install", "app", "--approve"], {
    home: t.home,
    env: { AURORA_PACKS: t.packs, COLOUR: "green" },
  });
  await t.prints(/^green free\n$/);
  process.kill((await t.status()).pid as number, "SIGKILL");
  await t.prints(/^green free\ngreen free\n$/);
});

test("Ctrl-C while a service is not ready yet ends the command, and the service with it", async () => {
  await using t = serviceHome();
  t.write({ ...simplePack({ start: "echo up\nexec sleep 300" }), manifest: "  service: { type: notify }" });
  await t.run(["install", "--no-start", "app"]);
  const command = Bun.spawn([...auroraCommand, "start", "app", "--home", t.home], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  await t.prints(/^up\n$/);
  command.kill("SIGINT");
  expect(await command.exited).toBe(130);
  expect(await command.stderr.text()).toStartWith("error[interrupted]: ");
  expect(t.processesOf()).toEqual([]);
});

test("a registry that is rebuilt is the daemon's too, and its services go on", async () => {
  await using t = serviceHome();
  t.write(simplePack());
  await t.run(["install", "app"]);
  const { pid } = await t.status();
  const daemon = t.daemonPid();
  await Bun.write(`${t.home}/state.db`, "no database");
  expect((await t.run(["recover", "--rebuild"])).exitCode).toBe(0);
  await eventually("the daemon with the new registry", async () =>
    readFileSync(`${t.home}/logs/daemon.log`, "utf8").includes("become-binary") &&
    (await t.run(["daemon", "status"])).exitCode === 0
      ? true
      : undefined,
  );
  expect(t.daemonPid()).toBe(daemon as number);
  expect(await t.status()).toMatchObject({ state: "running", pid });
  process.kill(pid as number, "SIGKILL");
  await t.reaches("a restart", (status) => status.state === "running" && status.pid !== pid);
  // One that is just being executed has no environment by which it would be found.
  await eventually("its one process", () => t.processesOf().length === 1 || undefined);
});

test("a stop whose command died after it had written that down is carried out by the daemon", async () => {
  await using t = serviceHome();
  t.write(simplePack());
  await t.run(["install", "app"]);
  using database = new Database(`${t.home}/state.db`);
  database.run("PRAGMA busy_timeout = 10000");
  database.run("UPDATE services SET wanted = 'stopped', state = 'stopping'");
  await t.reaches("its end", ({ state }) => state === "stopped");
  expect(t.processesOf()).toEqual([]);
});

test("with --dependents what depends on a pack and runs is stopped before it, and started when it is healthy again", async () => {
  await using t = serviceHome();
  writeFileSync(`${t.shared}/order`, "");
  chmodSync(`${t.shared}/order`, 0o666);
  const noting = (id: string, dependencies: string[] = []) =>
    simplePack({
      id,
      start: `trap 'echo "down ${id}" >> "${t.shared}/order"; exit 0' TERM
echo "up ${id}" >> "${t.shared}/order"
while :; do sleep 0.02; done`,
      // What it depends on is healthy some moments after it is up.
      ...(id === "base" ? { health: `grep -c "up base" "${t.shared}/order"`, clocks: "passes: 3" } : {}),
      manifest: [
        `  permissions: { read: ["${t.shared}"], write: ["${t.shared}"] }`,
        `  dependencies: [${dependencies.map((other) => `{ pack_id: ${other} }`).join(", ")}]`,
      ].join("\n"),
    });
  for (const pack of [
    noting("base"),
    noting("app", ["base"]),
    noting("web", ["app"]),
    noting("idle", ["base"]),
  ])
    t.write(pack);
  await t.run(["install", "base", "app", "web", "idle", "--approve"]);
  await t.run(["stop", "idle"]);
  const order = () => readFileSync(`${t.shared}/order`, "utf8").trim().split("\n");
  const wait = (id: string, count: number) =>
    eventually(`${id} up`, () => order().filter((line) => line === `up ${id}`).length === count || undefined);
  for (const id of ["base", "app", "web"]) await wait(id, 1);
  const orderOf = async (act: () => Promise<unknown>) => {
    writeFileSync(`${t.shared}/order`, "");
    await act();
    return order();
  };
  const around = ["down web", "down app", "down base", "up base", "up app", "up web"];
  expect(await orderOf(() => t.run(["restart", "base"]).then(() => wait("base", 1)))).toEqual([
    "down base",
    "up base",
  ]);
  expect(await orderOf(() => t.run(["restart", "base", "--dependents"]).then(() => wait("web", 1)))).toEqual(
    around,
  );
  const asked = (action: string, body: string) =>
    fetch(`http://a/v1/packs/base/${action}`, {
      unix: `${t.home}/run/aurora.sock`,
      method: "POST",
      body,
    } as RequestInit).then((response) => response.json());
  expect(await orderOf(() => asked("restart", '{"dependents":true}').then(() => wait("web", 1)))).toEqual(
    around,
  );
  expect((await t.json(["stop", "app", "--dependents"])).value).toEqual([
    { pack_id: "app", state: "stopped", pid: null, changed: true },
    { pack_id: "web", state: "stopped", pid: null, changed: true },
  ]);
  expect(await t.status("base")).toMatchObject({ state: "running" });
});

test("a start is not told to be done while the daemon that watched the service is dead, and its last thread still holds its place", async () => {
  await using t = serviceHome();
  t.write(simplePack());
  await t.run(["install", "app"]);
  await t.crashDaemon();
  const place = openSync(`${t.home}/run/daemon.lock`, "r");
  expect(tryFlock(place, "exclusive")).toBe(true);
  expect(await t.run(["start", "app"])).toMatchObject({
    stdout: "",
    stderr:
      "error[conflict]: cannot start the daemon: one is running for this home (pid PID)\nhint: aurora daemon status shows it\n",
    exitCode: 8,
  });
  closeSync(place);
  expect(await t.run(["start", "app"])).toMatchObject({
    stdout: "app is already running (pid PID)\n",
    exitCode: 0,
  });
  expect(await t.run(["daemon", "status"])).toMatchObject({ exitCode: 0 });
});
