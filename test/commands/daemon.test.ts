import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";

import { systemdUnit } from "../../src/daemon/systemd-unit.ts";
import { simplePack } from "../daemon/service-home.ts";
import { asOrdinaryUser, auroraCommand, collect, scratch } from "../support/aurora.ts";
import { eventually } from "../support/eventually.ts";
import { canBeLesser, lacking, onLesserKernel } from "../support/lesser-kernel.ts";
import { daemonPid, hasEnded, testHome } from "../support/test-home.ts";

const hasPython = Bun.which("python3") !== null;

/** A daemon in the foreground that listens. */
async function foreground(home: string, env: Record<string, string> = {}, prefix: readonly string[] = []) {
  const child = Bun.spawn([...prefix, ...auroraCommand, "daemon", "--home", home, "--json"], {
    env: { PATH: Bun.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  return { child, status: JSON.parse(new TextDecoder().decode(value)) as { pid: number; socket: string } };
}

test("it says what it is when it listens, is alone, and SIGTERM ends it", async () => {
  await using t = testHome();
  const { child, status } = await foreground(t.home);
  expect(status).toMatchObject({
    running: true,
    pid: child.pid,
    home: t.home,
    services: 0,
    idle_exit_seconds: null,
  });
  expect(statSync(status.socket).mode & 0o777).toBe(0o600);
  expect(statSync(`${t.home}/run`).mode & 0o777).toBe(0o700);
  expect(await t.run(["daemon"])).toEqual({
    stdout: "",
    stderr: `error[conflict]: cannot start the daemon: one is running for this home (pid PID)
hint: aurora daemon status shows it
`,
    exitCode: 8,
  });
  child.kill("SIGTERM");
  expect(await child.stderr.text()).toMatch(/^\S+Z ending: stop\n$/);
  expect(await child.exited).toBe(0);
  expect(existsSync(status.socket)).toBe(false);
});

test("of many that start at once one stays", async () => {
  await using t = testHome();
  await t.run(["list"]);
  const all = Array.from({ length: 6 }, () =>
    Bun.spawn([...auroraCommand, "daemon", "--home", t.home], { stdio: ["ignore", "ignore", "ignore"] }),
  );
  const pid = await eventually("a daemon", () => daemonPid(t.home));
  const others = all.filter((child) => child.pid !== pid);
  expect(others).toHaveLength(all.length - 1);
  expect(await Promise.all(others.map(({ exited }) => exited))).toEqual(others.map(() => 8));
  // It holds the lock before it listens, and to signals too.
  await eventually("its answer", async () => (await t.run(["daemon", "status"])).exitCode === 0 || undefined);
  const one = all.find((child) => child.pid === pid);
  one?.kill();
  expect(await one?.exited).toBe(0);
});

test("what a daemon that was killed has left is in nobody's way", async () => {
  await using t = testHome();
  const first = await foreground(t.home);
  first.child.kill("SIGKILL");
  await first.child.exited;
  expect(existsSync(first.status.socket)).toBe(true);
  expect((await t.run(["daemon", "status"])).exitCode).toBe(3);
  const second = await foreground(t.home);
  expect((await t.run(["daemon", "status"])).exitCode).toBe(0);
  second.child.kill();
  expect(await second.child.exited).toBe(0);
});

test.each([
  ["is moved away", (home: string) => renameSync(home, `${home}.elsewhere`)],
  [
    "is another directory",
    (home: string) => {
      renameSync(home, `${home}.elsewhere`);
      mkdirSync(home);
    },
  ],
  ["has lost its registry", (home: string) => rmSync(`${home}/state.db`)],
])("it ends when its home %s, also in the middle of a job", async (_, change) => {
  await using t = testHome();
  t.write({
    id: "app",
    start: null,
    stop: null,
    health: null,
    install: null,
    manifest: "  schedule: [{ name: long, every: 1s, run: long.sh }]",
    files: { "long.sh": '#!/bin/sh\ntouch "$AURORA_DATA_DIR/began"\nexec sleep 300\n' },
  });
  await t.run(["install", "app", "--no-daemon"]);
  const { child } = await foreground(t.home);
  await eventually("a job", () => existsSync(`${t.home}/data/app/began`) || undefined);
  change(t.home);
  expect(await child.exited).toBe(0);
  expect(await child.stderr.text()).toContain("ending: home-gone\n");
});

test("it ends when its home is gone, and listens anew when only its socket is", async () => {
  await using t = testHome();
  const { child, status } = await foreground(t.home);
  rmSync(status.socket);
  await eventually("a new socket", () => existsSync(status.socket) || undefined);
  expect((await t.run(["daemon", "status"])).exitCode).toBe(0);
  // When its socket goes before its registry, it puts another one into the directory that is being removed.
  Bun.spawnSync(["sh", "-c", 'until rm -rf "$0" 2> /dev/null; do :; done', t.home]);
  expect(await child.exited).toBe(0);
  expect(existsSync(t.home)).toBe(false);
});

test.skipIf(asOrdinaryUser.length === 0 || Bun.which("curl") === null)(
  "another user is refused, even where the files let him in (needs root)",
  async () => {
    await using t = testHome();
    const { child, status } = await foreground(t.home);
    const run = dirname(status.socket);
    for (const path of [dirname(t.home), t.home, run]) chmodSync(path, 0o755);
    chmodSync(status.socket, 0o666);
    const asked = [...asOrdinaryUser, "curl", "-s", "--unix-socket", status.socket, "http://a/v1/status"];
    const { stdout } = Bun.spawnSync(asked);
    expect(stdout.toString()).toContain('"this daemon answers only its own user and root"');
    child.kill();
    expect(await child.exited).toBe(0);
  },
);

test("one that a command has started gives its place to one that is started by hand, and services go on", async () => {
  await using t = testHome();
  t.write(simplePack());
  await t.run(["install", "app"]);
  const pidOf = async () => ((await t.json(["status", "app"])).value as [{ pid: number }])[0].pid;
  const [first, service] = [daemonPid(t.home), await pidOf()];
  const { child, status } = await foreground(t.home);
  expect(status.pid).toBe(child.pid);
  expect(hasEnded(first as number)).toBe(true);
  expect(await pidOf()).toBe(service);
  // One that was set up stays.
  expect(await t.run(["daemon"])).toMatchObject({
    stderr: expect.stringContaining("error[conflict]: cannot start the daemon: one is running for this home"),
    exitCode: 8,
  });
  expect((await t.json(["daemon", "status"])).value).toMatchObject({
    pid: child.pid,
    idle_exit_seconds: null,
  });
  child.kill();
  expect(await child.exited).toBe(0);
  expect(await pidOf()).toBe(service);
});

test("it stays the only one when the file of its lock is removed", async () => {
  await using t = testHome();
  const { child, status } = await foreground(t.home);
  const lock = `${t.home}/run/daemon.lock`;
  rmSync(lock);
  await eventually("a new lock", () => existsSync(lock) || undefined);
  expect((await t.json(["daemon", "status"])).value).toMatchObject({ running: true, pid: status.pid });
  expect(await t.run(["daemon"])).toMatchObject({ exitCode: 8 });
  child.kill();
  expect(await child.exited).toBe(0);
});

test.skipIf(!hasPython)(
  "what listens on its socket and is no daemon is in nobody's way (needs python3)",
  async () => {
    await using t = testHome();
    t.write(simplePack());
    await t.run(["install", "app", "--no-start"]);
    const socket = `${t.home}/run/aurora.sock`;
    const listen =
      "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print(1, flush=True); time.sleep(300)";
    const other = Bun.spawn(["python3", "-c", `import sys; ${listen}`, socket], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await other.stdout.getReader().read();
    expect((await t.run(["daemon", "status"])).exitCode).toBe(3);
    expect(await t.run(["start", "app"])).toMatchObject({ exitCode: 0 });
    expect((await t.run(["daemon", "status"])).exitCode).toBe(0);
    other.kill();
    await other.exited;
  },
);

test("a command that needs it and cannot start it says why, with the daemon's words and exit code", async () => {
  await using t = testHome();
  t.write(simplePack());
  await t.run(["install", "app", "--no-start"]);
  mkdirSync(`${t.home}/run/aurora.sock`);
  expect(await t.run(["start", "app"])).toEqual({
    stdout: "",
    stderr:
      'error[conflict]: cannot start the daemon: cannot listen on "DIR/home/run/aurora.sock": a directory is in its place\nhint: move it away\n',
    exitCode: 8,
  });
});

test("a home whose path is longer than a socket's may be", async () => {
  using directory = scratch();
  const home = `${directory.path}/${"long/".repeat(40)}home`;
  const { child } = await foreground(home);
  const status = Bun.spawn([...auroraCommand, "daemon", "status", "--home", home], { stdout: "ignore" });
  expect(await status.exited).toBe(0);
  child.kill();
  await child.exited;
});

test("--user without --print-systemd-unit", async () => {
  await using t = testHome();
  expect(await t.run(["daemon", "--user"])).toEqual({
    stdout: "",
    stderr: "error[usage]: option --user belongs to --print-systemd-unit\n",
    exitCode: 2,
  });
});

test.skipIf(!hasPython)("it tells systemd that it is ready, and that it ends (needs python3)", async () => {
  await using t = testHome();
  using directory = scratch();
  const socket = `${directory.path}/notify`;
  const listener = Bun.spawn(
    [
      "python3",
      "-uc",
      `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound")
while True: print(s.recv(4096).decode().replace("\\n", " "))`,
      socket,
    ],
    { stdout: "pipe" },
  );
  let said = "";
  const reading = (async () => {
    for await (const chunk of listener.stdout) said += new TextDecoder().decode(chunk);
  })();
  await eventually("the listener", () => said.includes("bound") || undefined);
  const { child } = await foreground(t.home, { NOTIFY_SOCKET: socket });
  child.kill();
  await child.exited;
  await eventually("its end", () => said.includes("STOPPING=1\n") || undefined);
  listener.kill();
  await reading;
  expect(said).toBe(`bound\nREADY=1 MAINPID=${child.pid}\nSTOPPING=1\n`);
});

describe("the systemd unit", () => {
  test("words that systemd would read otherwise are quoted", () => {
    const unit = systemdUnit({ self: "/opt/my aurora", home: '/srv/50%/"a"/$HOME', isUser: false });
    expect(unit).toContain('ExecStart="/opt/my aurora" daemon --home "/srv/50%%/\\"a\\"/$$HOME"\n');
  });

  test("the daemon can be started again while groups with limits are in use, on any systemd", () => {
    const unit = (systemdVersion?: number) =>
      systemdUnit({ self: "/bin/aurora", home: "/home", isUser: false, systemdVersion });
    for (const old of [unit(), unit(253)]) {
      expect(old).toContain('ExecStopPost=-/bin/sh -c \'echo "-memory -pids" >');
      expect(old).not.toContain("DelegateSubgroup");
    }
    expect(unit(254)).toContain("DelegateSubgroup=aurora-self\n");
    expect(unit(254)).not.toContain("ExecStopPost");
  });

  test("a user's home is not run as root", () => {
    const options = { self: "/bin/aurora", home: "/home/a", owner: { uid: 1000, gid: 100 } };
    expect(systemdUnit({ ...options, isUser: false })).toContain("NotifyAccess=main\nUser=1000\nGroup=100\n");
    const others = [
      systemdUnit({ ...options, isUser: true }),
      systemdUnit({ ...options, owner: { uid: 0, gid: 0 }, isUser: false }),
    ];
    for (const other of others) expect(other).not.toMatch(/^(User|Group)=/m);
  });

  test("what it starts is not spared when the machine runs out of memory", () => {
    expect(systemdUnit({ self: "/bin/aurora", home: "/home", isUser: false })).not.toContain(
      "OOMScoreAdjust",
    );
  });

  const hasSystemd = Bun.which("systemd-analyze") !== null;
  test.skipIf(!hasSystemd).each([[[]], [["--user"]]])(
    "systemd-analyze accepts it with %p (needs systemd)",
    async (more) => {
      await using t = testHome();
      using directory = scratch();
      const { stdout, stderr, exitCode } = await t.run(["daemon", "--print-systemd-unit", ...more]);
      expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
      const file = `${directory.path}/aurora.service`;
      await Bun.write(
        file,
        stdout.replaceAll("DIR", directory.path).replaceAll(/^Exec(Start|Reload)=\S+/gm, "Exec$1=/bin/true"),
      );
      const child = Bun.spawn(["systemd-analyze", "verify", ...more, file], {
        env: { PATH: Bun.env["PATH"] ?? "", XDG_RUNTIME_DIR: directory.path, HOME: directory.path },
        stdout: "pipe",
        stderr: "pipe",
      });
      expect([await child.stdout.text(), await child.stderr.text(), await child.exited]).toEqual(["", "", 0]);
      expect(stdout).toContain("Type=notify\n");
      expect(existsSync(t.home)).toBe(false);
    },
  );
});

describe("where nobody takes what it says", () => {
  const outputs = {
    "on stdout: whoever started it is gone": "--json 2>/dev/null | true",
    "on stderr": "2>&1 | true",
    "on a full disk": "> /dev/full 2>&1",
  };
  for (const [what, redirected] of Object.entries(outputs))
    test(`${what}, it serves all the same, and ends when it is told to`, async () => {
      await using t = testHome();
      const command = `"$@" daemon --home "$HOME_OF_TEST" ${redirected}`;
      const shell = Bun.spawn(["sh", "-c", command, "sh", ...auroraCommand], {
        env: { PATH: Bun.env["PATH"] ?? "", HOME_OF_TEST: t.home },
        stdio: ["ignore", "ignore", "ignore"],
      });
      const serves = async () => (await t.run(["daemon", "status"])).exitCode === 0 || undefined;
      await eventually("a daemon", serves);
      const pid = daemonPid(t.home) as number;
      expect((await t.run(["daemon", "reload"])).exitCode).toBe(0);
      expect(await serves()).toBe(true);
      expect((await t.run(["daemon", "stop"])).exitCode).toBe(0);
      await eventually("the end of its process", () => hasEnded(pid) || undefined);
      await shell.exited;
    });
});

test("what goes wrong when it listens already ends it, and leaves no socket", async () => {
  await using t = testHome();
  t.write({ id: "app", health: "exit 0" });
  await t.run(["install", "app", "--approve", "--no-daemon"]);
  using registry = new Database(`${t.home}/state.db`);
  registry.run("DROP TABLE services");
  const result = await t.run(["daemon"]);
  expect(result).toMatchObject({ stdout: "", exitCode: 7 });
  expect(existsSync(`${t.home}/run/aurora.sock`)).toBe(false);
});

test.skipIf(!canBeLesser)("where nothing can be watched it ends, says so, and leaves no socket", async () => {
  await using t = testHome();
  const daemon = Bun.spawn(
    [...onLesserKernel(lacking.inotify), ...auroraCommand, "daemon", "--home", t.home],
    {
      env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent" },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const { stderr } = await collect(daemon);
  expect(stderr).toStartWith(`error[io]: cannot watch "${t.home}`);
  expect(existsSync(`${t.home}/run/aurora.sock`)).toBe(false);
});
