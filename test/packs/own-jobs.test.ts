/** What a pack's confined scripts may ask Aurora for: their own pack's jobs and entries, whoever runs them. */
import { describe, expect, test } from "bun:test";
import { closeSync, existsSync, openSync, readFileSync, rmSync } from "node:fs";

import { tryFlock } from "../../src/system/flock.ts";
import { eventually } from "../support/eventually.ts";
import { daemonPid, hasEnded, openFilesOf } from "../support/test-home.ts";
import { userHome, users } from "../support/user-home.ts";

const TIMEOUT_MS = 180_000;
/** A pack that only prepares something. */
const quiet = { install: null, start: null, stop: null, health: null };
const jobs = '  schedule:\n    - { name: nightly, cron: "0 3 * * *", run: job.sh }';
const files = { "job.sh": "#!/bin/sh\necho done >> data/nightly\n" };

describe.each(users)("as %s", (user) => {
  test("a script adds, looks at, pauses, runs and removes jobs of its own pack, and no other's", async () => {
    await using t = userHome(user);
    t.write({ id: "other", ...quiet });
    t.write({ id: "app", ...quiet, manifest: jobs, files });
    await t.run(["install", "other"]);
    await t.run(["install", "app"]);
    const run = (script: string) =>
      t.run(["--no-daemon", "exec", "app", "--", "sh", "-c", script.replaceAll("aurora", '"$AURORA_BIN"')]);
    expect(await run("aurora schedule add app --name own --every 1h --tag cpu -- sh -c true --json")).toMatchObject({
      stderr: "",
      exitCode: 0,
    });
    const listed = await run("aurora schedule list --json");
    expect((JSON.parse(listed.stdout) as { id: string }[]).map(({ id }) => id)).toEqual(["app/nightly", "app/own"]);
    expect(await run("aurora schedule next -n 1 --json | grep -c app/")).toMatchObject({ stdout: "1\n", exitCode: 0 });
    expect(await run("aurora schedule pause app own && aurora schedule resume app own")).toEqual({
      stdout: "app/own is paused; what runs goes on\napp/own goes on\n",
      stderr: "",
      exitCode: 0,
    });
    expect(await run("aurora schedule run app nightly > /dev/null")).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    expect(readFileSync(`${t.home}/data/app/nightly`, "utf8")).toBe("done\n");
    const ran = await run("aurora schedule history app nightly --json");
    expect(JSON.parse(ran.stdout)).toMatchObject([{ id: "app/nightly", cause: "manual", state: "succeeded" }]);
    expect(await run("aurora schedule remove app own")).toEqual({ stdout: "app/own is removed\n", stderr: "", exitCode: 0 });
    const refused = [
      ["aurora schedule remove app nightly", "conflict", 8],
      ["aurora schedule add app --name A --every 1h -- true", "usage", 2],
      ["aurora schedule list other", "denied", 9],
      ["aurora schedule add other --name a --every 1h -- true", "denied", 9],
      ["aurora schedule pause --all", "denied", 9],
      ["aurora schedule pause --tag cpu", "denied", 9],
      ["aurora schedule run --foreground", "denied", 9],
    ] as const;
    for (const [script, code, exitCode] of refused)
      expect(await run(script), script).toMatchObject({
        stdout: "",
        stderr: expect.stringMatching(new RegExp(String.raw`^error\[${code}\]: `)),
        exitCode,
      });
    expect(await t.json(["schedule", "list", "other"])).toEqual([]);
  }, TIMEOUT_MS);

  test("what needs no home, and its own entry among the namespaces", async () => {
    await using t = userHome(user);
    t.write({ id: "other", ...quiet });
    t.write({ id: "app", ...quiet });
    for (const id of ["other", "app"]) {
      await t.run(["install", id]);
      await t.run(["ns", "register", id, "--meta", `{"of":"${id}"}`]);
    }
    const run = (script: string) =>
      t.run(["exec", "app", "--", "sh", "-c", script.replaceAll("aurora", '"$AURORA_BIN"')]);
    const own = await run("aurora ns list --json");
    expect(JSON.parse(own.stdout)).toMatchObject([{ pack_id: "app", meta: { of: "app" } }]);
    for (const command of [
      "version",
      "help",
      "device --json",
      "schedule explain '0 3 * * *' --timezone UTC",
      "schema",
      "completions bash",
    ])
      expect(await run(`aurora ${command} > /dev/null`), command).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    expect(await run("aurora status")).toMatchObject({
      stdout: "",
      stderr: expect.stringMatching(/^error\[denied\]: /),
      exitCode: 9,
    });
  }, TIMEOUT_MS);

  test("inside a transaction and in a dry run jobs are looked at only", async () => {
    await using t = userHome(user);
    t.write({ id: "app", ...quiet });
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
    const install = `set +e
"$AURORA_BIN" schedule list app
"$AURORA_BIN" schedule add app --name a --every 1h -- true
echo "$1 $?"
"$AURORA_BIN" schedule run app nightly
echo "$1 $?"`;
    t.write({ id: "app", ...quiet, version: "1.1.0", install, manifest: jobs, files });
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
    const { stdout } = await t.run(["logs", "app"]);
    const lines = stdout.split("\n").map((line) => line.replace(/^\S+ +/, ""));
    expect(lines.filter((line) => line.includes("error[locked]: "))).toEqual([
      'install! error[locked]: cannot add the job "a": this is called from a pack\'s script inside a transaction',
      'install! error[locked]: cannot run the job "nightly": this is called from a pack\'s script inside a transaction',
    ]);
    expect(lines.filter((line) => line.includes("--install "))).toEqual(["install: --install 8", "install: --install 8"]);
    const dry = await t.run(["dry-run", "app"]);
    expect(dry.stdout).toContain("--dry-run 8\n");
    expect(await t.json(["schedule", "list"])).toMatchObject([{ id: "app/nightly", origin: "manifest" }]);
  }, TIMEOUT_MS);

  test("a job that the daemon runs adds a job, which the daemon then runs", async () => {
    await using t = userHome(user);
    t.write({
      id: "app",
      ...quiet,
      manifest: "  schedule:\n    - { name: first, every: 100ms, run: first.sh }",
      files: {
        "first.sh": `#!/bin/sh
[ ! -e data/added ] || exit 0
"$AURORA_BIN" schedule add app --name second --in 0s -- sh -c 'touch data/second' && "$AURORA_BIN" ns register app --meta '{"by":"job"}' && touch data/added
`,
      },
    });
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
    await t.run(["schedule", "add", "app", "--name", "wake", "--every", "1h", "--", "true"]);
    for (const name of ["added", "second"])
      await eventually(name, () => existsSync(`${t.home}/data/app/${name}`) || undefined);
    expect(await t.json(["ns", "get", "app"])).toMatchObject({ meta: { by: "job" } });
  }, TIMEOUT_MS);

  test("a service reaches Aurora after its start, and again through the next daemon after the first was killed", async () => {
    await using t = userHome(user);
    t.write({
      id: "app",
      ...quiet,
      manifest: "  service: { type: simple }",
      start: `"$AURORA_BIN" ns register app --meta '{"at":"start"}'
touch data/started
while :; do
  if [ -e data/go ]; then
    rm data/go
    "$AURORA_BIN" schedule add app --name own --every 1h -- true || :
    "$AURORA_BIN" ns register app --meta '{"at":"later"}'
    touch data/answered
  fi
  sleep 0.05
done`,
    });
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
    await eventually("the start", () => existsSync(`${t.home}/data/app/started`) || undefined);
    const begun = (await t.json(["ns", "get", "app"])) as { meta: object; revision: number };
    expect(begun.meta).toEqual({ at: "start" });
    const go = async (revision: number) => {
      const answered = `${t.home}/data/app/answered`;
      rmSync(answered, { force: true });
      await t.run(["vfs", "write", "app", "go"]);
      // The service has its answer: a daemon that dies before it gives one leaves who asked waiting.
      await eventually("the answer", () => existsSync(answered) || undefined);
      return await eventually(
        `revision ${revision}`,
        async () => {
          const entry = (await t.json(["ns", "get", "app"])) as { revision: number };
          return entry.revision === revision ? entry : undefined;
        },
      );
    };
    expect(await go(begun.revision + 1)).toMatchObject({ meta: { at: "later" } });
    const [before] = (await t.json(["status", "app"])) as [{ pid: number }];
    const first = daemonPid(t.home) as number;
    process.kill(first, "SIGKILL");
    await eventually("the end of the daemon", () => hasEnded(first) || undefined);
    await t.run(["start", "app"]);
    expect(daemonPid(t.home)).not.toBe(first);
    const [after] = (await t.json(["status", "app"])) as [{ pid: number }];
    expect(after.pid).toBe(before.pid);
    expect(await go(begun.revision + 2)).toMatchObject({ meta: { at: "later" } });
    expect((await t.json(["schedule", "list", "app"])) as object[]).toMatchObject([{ id: "app/own" }]);
  }, TIMEOUT_MS);

  test("a daemon that is killed over a change leaves a service with the answer that nobody knows, and the next one serves it", async () => {
    await using t = userHome(user);
    t.write({
      id: "app",
      ...quiet,
      manifest: "  service: { type: simple }",
      start: `touch data/started
while :; do
  if [ -e data/go ]; then
    rm data/go
    "$AURORA_BIN" ns register app --meta '{"n":1}' > data/out 2>&1 && rc=0 || rc=$?
    echo "exit code $rc" >> data/out
    touch data/answered
  fi
  sleep 0.05
done`,
    });
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
    await eventually("the start", () => existsSync(`${t.home}/data/app/started`) || undefined);
    const answer = async () => {
      await eventually("the answer", () => existsSync(`${t.home}/data/app/answered`) || undefined);
      rmSync(`${t.home}/data/app/answered`);
      return readFileSync(`${t.home}/data/app/out`, "utf8");
    };
    const daemon = daemonPid(t.home) as number;
    // What the service asks for waits for the home's lock: the daemon has taken it on, and cannot come to its end.
    const lock = openSync(`${t.home}/run/lock`, "r");
    expect(tryFlock(lock, "exclusive")).toBe(true);
    await t.run(["vfs", "write", "app", "go"]);
    await eventually(
      "a request",
      () => openFilesOf(daemon).some((path) => path.endsWith(".reply")) || undefined,
    );
    process.kill(daemon, "SIGKILL");
    expect(await answer()).toBe(
      "error[unknown-outcome]: cannot say whether ns register was done: whoever was asked has ended without an answer\n" +
        "hint: look whether it was, and ask again where it was not\nexit code 1\n",
    );
    closeSync(lock);
    await eventually("the end of the daemon", () => hasEnded(daemon) || undefined);
    expect(await t.run(["start", "app"])).toMatchObject({ exitCode: 0 });
    await t.run(["vfs", "write", "app", "go"]);
    // The install has registered it as the first one; what was asked for then was not done.
    expect(await answer()).toBe("app is registered, revision 2\nexit code 0\n");
  }, TIMEOUT_MS);

  test("a service that is to say when it is ready may ask before it does, while a command holds the lock and waits", async () => {
    await using t = userHome(user);
    t.write({
      id: "app",
      ...quiet,
      manifest: "  service: { type: notify }",
      files: {
        "ready.py": `import os, socket, time
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
time.sleep(300)
`,
      },
      start: `"$AURORA_BIN" ns register app --meta '{"ready":true}'\nexec python3 ready.py`,
    });
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
    const before = (await t.json(["ns", "get", "app"])) as { meta: object; revision: number };
    expect(before.meta).toEqual({ ready: true });
    expect(await t.run(["restart", "app"])).toMatchObject({ exitCode: 0 });
    expect(await t.json(["ns", "get", "app"])).toMatchObject({ revision: before.revision + 1 });
  }, TIMEOUT_MS);
});
