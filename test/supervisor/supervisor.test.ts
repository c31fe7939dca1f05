/** The supervisor with real processes. */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";

import { AuroraError } from "../../src/errors.ts";
import { spawnChild } from "../../src/process/spawn-child.ts";
import { identify, isAlive, type ProcessIdentity } from "../../src/process/tree.ts";
import { findTree } from "../../src/supervisor/service-tree.ts";
import { groupMembers, killGroup, makeGroup, removeGroup } from "../../src/system/control-group.ts";
import { topGroup } from "../support/top-group.ts";
import { gate, supervised } from "./service.ts";

const alive = (pid: number) => identify(pid) !== undefined;
const forever = "exec sleep infinity";
/** How many pidfds of a process this one has. */
const watchesOf = (pid: number | null) => watchedPids().filter((watched) => watched === pid).length;
const watchedPids = () =>
  (existsSync("/proc/self/fdinfo") ? readdirSync("/proc/self/fdinfo") : []).flatMap((name) => {
    try {
      return Number(/^Pid:\t(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, "utf8"))?.[1] ?? []);
    } catch {
      return []; // It is the one that the list was read by.
    }
  });

describe("a simple service", () => {
  test("runs in a session of its own, with its output in its logs and its mark in its environment", async () => {
    await using t = supervised();
    const view = await t.supervisor.start(
      t.service("web", 'echo "out"; echo "err" >&2; touch made; exec sleep infinity'),
    );
    expect(view).toMatchObject({ state: "running", restarts: 0, exitCode: null, health: "unknown" });
    const pid = view.pid as number;
    await until(() => readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("sleep"));
    // While it begins it has its libraries open.
    await until(() => readdirSync(`/proc/${pid}/fd`).join() === "0,1,2");
    const [, , , , , session] = readFileSync(`/proc/${pid}/stat`, "latin1").split(" ");
    expect(Number(session)).toBe(pid);
    expect(readFileSync(`${t.directory}/logs/web/service.stdout.log`, "utf8")).toBe("out\n");
    expect(readFileSync(`${t.directory}/logs/web/service.stderr.log`, "utf8")).toBe("err\n");
    expect(statSync(`${t.directory}/made`).mode & 0o777).toBe(0o640);
    expect(readFileSync(`/proc/${pid}/environ`, "latin1")).toContain(
      `AURORA_SERVICE=${t.store.records.get("web")?.serviceId}`,
    );
  });

  test("is started again after a crash, at once where it ran for longer than its pause", async () => {
    await using t = supervised();
    const { pid } = await t.supervisor.start(t.service("web", forever));
    process.kill(pid as number, "SIGKILL");
    const again = await t.seen("web", (view) => view.restarts === 1 && view.state === "running");
    expect(again.pid).not.toBe(pid);
    expect(alive(pid as number)).toBe(false);
  });

  test("that cannot be started fails with the reason", async () => {
    await using t = supervised();
    const view = await t.supervisor.start(
      t.service("web", "", { argv: ["/no/such/program"], restart: "no" }),
    );
    expect(view).toMatchObject({
      state: "failed",
      pid: null,
      reason: 'cannot run "/no/such/program": it was not found',
    });
  });

  test.each([
    ["exit 0", "no", "exited", 0],
    ["exit 0", "on-failure", "exited", 0],
    ["exit 3", "no", "failed", 3],
    ["kill -9 $$", "no", "failed", 137],
  ] as const)("%s with restart: %s ends as %s", async (script, restart, state, exitCode) => {
    await using t = supervised();
    await t.supervisor.start(t.service("web", script, { restart }));
    expect(await t.seen("web", (view) => view.state === state)).toMatchObject({ exitCode, pid: null });
  });

  test("that fails again and again is given up, and the operator's start is made all the same", async () => {
    await using t = supervised();
    const spec = t.service("web", "echo run >> runs; exit 1", {
      startLimit: { burst: 3, intervalSeconds: 60 },
    });
    await t.supervisor.start(spec);
    const view = await t.seen("web", ({ state }) => state === "failed");
    expect(view.reason).toBe("it was restarted 3 times within 60 s; the last time it ended with exit code 1");
    expect(readFileSync(`${t.directory}/runs`, "utf8")).toBe("run\n".repeat(4));
    await t.supervisor.start({ ...spec, argv: ["sleep", "infinity"] });
    expect(t.supervisor.view("web")).toMatchObject({ state: "running", restarts: 0 });
  });

  test("says what it died of, also when it runs again: of a SIGKILL of somebody's, but not of its own exit codes", async () => {
    await using t = supervised();
    const { pid } = await t.supervisor.start(t.service("web", forever));
    process.kill(pid as number, "SIGKILL");
    expect(await t.seen("web", ({ restarts, state }) => restarts === 1 && state === "running")).toMatchObject(
      {
        exitCode: null,
        reason: null,
        lastEnd: expect.stringContaining("it died of SIGKILL, which the daemon did not send"),
      },
    );
    const spec = t.service("other", "exit 137", { restart: "no" });
    await t.supervisor.start(spec);
    expect(await t.seen("other", ({ state }) => state === "failed")).toMatchObject({
      reason: "it ended with exit code 137",
    });
    // The operator's start begins anew.
    await t.supervisor.start({ ...spec, argv: ["sleep", "infinity"] });
    expect(t.supervisor.view("other")).toMatchObject({ lastEnd: null });
  });

  test("what Aurora itself has killed it does not call somebody else's", async () => {
    await using t = supervised();
    const unhealthy = {
      health: { config: { ...gate, deadline_seconds: 0.2 }, watchSeconds: 0 },
      probe: async () => ({ healthy: false, output: "" }),
    };
    const stubborn = "trap '' TERM; while :; do sleep 1; done";
    await t.supervisor.start(
      t.service("web", stubborn, { restart: "no", stopTimeoutSeconds: 0.1, ...unhealthy }),
    );
    const { reason } = await t.seen("web", ({ state }) => state === "failed");
    expect(reason).not.toContain("SIGKILL");
  });

  test("that has passed its check is not healthy any more when it is down", async () => {
    await using t = supervised();
    const health = { config: gate, watchSeconds: 0 };
    const probe = async () => ({ healthy: true, output: "" });
    await t.supervisor.start(
      t.service("web", "until [ -e end ]; do sleep 0.01; done; exit 3", { restart: "no", health, probe }),
    );
    await t.seen("web", (view) => view.health === "healthy");
    writeFileSync(`${t.directory}/end`, "");
    expect(await t.seen("web", ({ state }) => state === "failed")).toMatchObject({ health: "unknown" });
  });

  test("says in plain words what keeps a check from being made", async () => {
    await using t = supervised();
    const probe = async () => {
      throw Object.assign(new Error("EAGAIN: posix_spawn"), {
        code: "EAGAIN",
        syscall: "posix_spawn",
        path: "check",
      });
    };
    const health = { config: { ...gate, deadline_seconds: 0.2 }, watchSeconds: 0 };
    await t.supervisor.start(t.service("web", forever, { restart: "no", health, probe }));
    const { reason } = await t.seen("web", ({ state }) => state === "failed");
    expect(reason).toEndWith(
      'the last check: cannot posix_spawn "check": too many processes, or something else is used up for now',
    );
  });

  test("is not started again once nobody wants it", async () => {
    await using t = supervised();
    const { pid } = await t.supervisor.start(t.service("web", forever));
    t.unwanted.add("web");
    process.kill(pid as number, "SIGKILL");
    expect(await t.seen("web", ({ state }) => state === "stopped")).toMatchObject({ pid: null });
  });
});

describe("stopping", () => {
  // It has cleared its environment, left the session and lost its parent, and does not end by the stop signal.
  const lost =
    "(setsid env -i /bin/sh -c 'trap : TERM; touch up; while :; do sleep 1000; done' </dev/null >/dev/null 2>&1 &)";

  test.skipIf(topGroup === undefined)(
    "ends all that is in its control group, whatever it has left (needs control groups that can be made)",
    async () => {
      const group = `${topGroup}/aurora-test-${process.pid}`;
      await using t = supervised({
        groupOf: () => group,
        spawn: (options) => spawnChild({ ...options, cgroup: group }),
      });
      makeGroup(group);
      try {
        const spec = t.service("web", `${lost}; exec sleep infinity`, { stopTimeoutSeconds: 0.1 });
        await t.supervisor.start(spec);
        await until(() => existsSync(`${t.directory}/up`));
        expect(await t.supervisor.stop("web")).toMatchObject({ state: "stopped", pid: null });
        expect(groupMembers(group)).toEqual([]);
      } finally {
        killGroup(group);
        await until(() => removeGroup(group));
      }
    },
  );

  test("ends what left the session and the group, and what ignores the signal", async () => {
    await using t = supervised();
    const spec = t.service(
      "web",
      "setsid sleep infinity & (setsid setsid sh -c 'trap \"\" TERM; touch up; while :; do sleep 1; done' &) ; exec sleep infinity",
      { stopTimeoutSeconds: 0.3 },
    );
    await t.supervisor.start(spec);
    await until(() => existsSync(`${t.directory}/up`));
    const serviceId = t.store.records.get("web")?.serviceId ?? "";
    await until(() => findTree({ serviceId, leader: null }).length >= 3);
    const tree = findTree({ serviceId, leader: null });
    expect(await t.supervisor.stop("web")).toMatchObject({ state: "stopped", pid: null });
    expect(tree.filter((identity) => isAlive(identity))).toEqual([]);
  });

  test("what the first process leaves behind ends before it is started again", async () => {
    await using t = supervised();
    const { pid } = await t.supervisor.start(
      t.service("web", "setsid sleep infinity & touch up; exec sleep infinity"),
    );
    await until(() => existsSync(`${t.directory}/up`));
    const serviceId = t.store.records.get("web")?.serviceId ?? "";
    await until(() => findTree({ serviceId, leader: null }).length === 2);
    const left = findTree({ serviceId, leader: null }).find((other) => other.pid !== pid);
    process.kill(pid as number, "SIGKILL");
    await t.seen("web", (view) => view.restarts === 1 && view.state === "running");
    expect(isAlive(left as ProcessIdentity)).toBe(false);
  });

  test("runs what comes before it first, and goes on where that fails", async () => {
    await using t = supervised();
    let wasAlive = false;
    const { pid } = await t.supervisor.start(
      t.service("web", forever, {
        beforeStop: async () => {
          wasAlive = alive(pid as number);
          throw new AuroraError("exec-failed", "cannot run the stop script");
        },
      }),
    );
    expect(await t.supervisor.stop("web")).toMatchObject({ state: "stopped" });
    expect(wasAlive).toBe(true);
    expect(t.warnings).toEqual(['what comes before the stop of "web" failed: cannot run the stop script']);
  });

  test("does not wait for what comes before it longer than for the service", async () => {
    await using t = supervised();
    const beforeStop = (signal: AbortSignal) =>
      new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    await t.supervisor.start(t.service("web", forever, { beforeStop, stopTimeoutSeconds: 0.2 }));
    expect(await t.supervisor.stop("web")).toMatchObject({ state: "stopped", exitCode: 137 });
  });

  test("all of them in the order of their dependencies", async () => {
    await using t = supervised();
    const noting = (name: string) =>
      `trap 'echo ${name} >> order; exit 0' TERM; touch ${name}.up; while :; do sleep 0.01; done`;
    await t.supervisor.start(t.service("db", noting("db")));
    await t.supervisor.start(t.service("app", noting("app"), { dependencies: ["db"] }));
    await t.supervisor.start(t.service("web", noting("web"), { dependencies: ["app"] }));
    for (const name of ["db", "app", "web"]) await until(() => existsSync(`${t.directory}/${name}.up`));
    await t.supervisor.stopAll(10_000);
    expect(readFileSync(`${t.directory}/order`, "utf8")).toBe("web\napp\ndb\n");
  });

  test("all of them: what is left at the deadline is killed, whatever time it has to stop", async () => {
    await using t = supervised();
    const deaf = (name: string) => `trap '' TERM; touch ${name}.up; while :; do sleep 0.01; done`;
    const stopTimeoutSeconds = 3600;
    await t.supervisor.start(t.service("db", deaf("db"), { stopTimeoutSeconds }));
    await t.supervisor.start(t.service("app", deaf("app"), { stopTimeoutSeconds, dependencies: ["db"] }));
    for (const name of ["db", "app"]) await until(() => existsSync(`${t.directory}/${name}.up`));
    await t.supervisor.stopAll(50);
    expect(t.supervisor.views()).toMatchObject([
      { packId: "db", state: "stopped", pid: null },
      { packId: "app", state: "stopped", pid: null },
    ]);
  });
});

describe("restarting", () => {
  test("with another generation is done by a start: a new process, and no failure", async () => {
    await using t = supervised();
    const { pid } = await t.supervisor.start(t.service("web", forever));
    const again = await t.supervisor.start(t.service("web", forever, { generation: 2 }));
    expect(again).toMatchObject({ generation: 2, state: "running", restarts: 0 });
    expect([again.pid === pid, alive(pid as number)]).toEqual([false, false]);
  });

  test("after a failure at once waits for its pause, and says until when", async () => {
    await using t = supervised();
    await t.supervisor.start(t.service("web", "exit 1", { backoffSeconds: [60, 60] }));
    const view = await t.seen("web", ({ state }) => state === "backoff");
    const waitMs = (view.nextStartAt?.getTime() ?? 0) - Date.now();
    expect(waitMs > 40_000 && waitMs <= 60_000).toBe(true);
    expect(view.reason).toBe("it ended with exit code 1");
    expect(await t.supervisor.stop("web")).toMatchObject({ state: "stopped", nextStartAt: null });
  });
});

describe("dependencies and health", () => {
  test("a service starts when what it depends on is healthy, and not before", async () => {
    await using t = supervised();
    let isHealthy = false;
    const probe = async () => ({ healthy: isHealthy, output: "" });
    const db = t.service("db", forever, { probe });
    void t.supervisor.start(t.service("app", forever, { dependencies: ["db"] }));
    expect(t.supervisor.view("app")?.reason).toBe('it waits for "db" to be healthy');
    await t.supervisor.start(db);
    expect(t.supervisor.view("db")).toMatchObject({ state: "starting", health: "unknown" });
    expect(t.supervisor.view("app")).toMatchObject({ state: "starting", pid: null });
    isHealthy = true;
    await t.seen("app", ({ state }) => state === "running");
    expect(t.supervisor.view("db")).toMatchObject({ state: "running", health: "healthy" });
  });

  test("one that stays unhealthy is started again", async () => {
    await using t = supervised();
    let answers = [true, false, false, false];
    const probe = async () => ({ healthy: answers.shift() ?? true, output: "" });
    const health = { config: gate, watchSeconds: 0.01 };
    const { pid } = await t.supervisor.start(t.service("db", forever, { health, probe }));
    const again = await t.seen("db", (view) => view.restarts === 1 && view.state === "running");
    expect(again.health).toBe("healthy");
    expect(again.pid).not.toBe(pid);
  });
});

describe("the next daemon", () => {
  test("takes over what runs, with its count of restarts, and watches it", async () => {
    await using t = supervised();
    const specs = [t.service("web", forever), t.service("db", forever)];
    for (const spec of specs) await t.supervisor.start(spec);
    process.kill(t.supervisor.view("web")?.pid as number, "SIGKILL");
    const { pid } = await t.seen("web", (view) => view.restarts === 1 && view.state === "running");
    // The runtime has one of its own, since it is a child of this process.
    const before = watchesOf(pid);
    const next = await t.next(specs);
    expect(next.view("web")).toMatchObject({ state: "running", restarts: 1, pid });
    // The kernel tells their end: nobody looks again and again whether they live.
    if (process.platform === "linux") expect(watchesOf(pid)).toBe(before + 1);
    process.kill(pid as number, "SIGKILL");
    const again = await t.seen("web", (view) => view.restarts === 2 && view.state === "running");
    expect(alive(again.pid as number)).toBe(true);
    expect(next.view("db")).toMatchObject({ state: "running", restarts: 0 });
  });

  test("finds what was started and not recorded by its mark, and starts no second one", async () => {
    await using t = supervised();
    const spec = t.service("web", forever);
    const { pid } = await t.supervisor.start(spec);
    const record = t.store.records.get("web");
    if (record)
      t.store.records.set("web", { ...record, leader: null, state: { ...record.state, phase: "starting" } });
    const next = await t.next([spec]);
    expect(next.view("web")).toMatchObject({ state: "running", pid });
  });

  test("ends what runs of a pack that is gone, and forgets it", async () => {
    await using t = supervised();
    const { pid } = await t.supervisor.start(t.service("web", forever));
    t.unwanted.add("web");
    const next = await t.next([]);
    await until(() => next.view("web") === undefined);
    expect(alive(pid as number)).toBe(false);
    expect(t.store.load()).toEqual([]);
  });

  test("does not take over a process that has got the number of another", async () => {
    await using t = supervised();
    const spec = t.service("web", forever);
    const { pid } = await t.supervisor.start(spec);
    const record = t.store.records.get("web");
    const stranger = Bun.spawn(["sleep", "60"]);
    // Somebody who had that number has started in an earlier tick of the clock.
    const startTime = (record?.leader?.startTime ?? 0) - 1;
    if (record) t.store.records.set("web", { ...record, leader: { pid: stranger.pid, startTime } });
    await t.next([spec]);
    const view = await t.seen("web", (now) => now.state === "running" && now.restarts === 1);
    expect([view.pid === stranger.pid, alive(stranger.pid), alive(pid as number)]).toEqual([
      false,
      true,
      false,
    ]);
    stranger.kill();
    await stranger.exited;
  });

  test("does not take the end of what it has stopped for the end of what it has started since", async () => {
    await using t = supervised();
    // Whether the tree is found to be gone before its end is told is up to the event loop: of many, some are.
    const specs = Array.from({ length: 40 }, (_, index) => t.service(`web${index}`, forever));
    await Promise.all(specs.map((spec) => t.supervisor.start(spec)));
    const next = await t.next(specs);
    await Promise.all(specs.map((spec) => next.start({ ...spec, generation: 2 })));
    const pids = next.views().map(({ pid }) => pid);
    // Whatever was still to be told has been by then.
    await next.start(t.service("web0", forever, { generation: 3 }));
    expect(
      next
        .views()
        .map(({ pid }) => pid)
        .slice(1),
    ).toEqual(pids.slice(1));
    expect(next.views().map(({ state, restarts }) => `${state} ${restarts}`)).toEqual(
      specs.map(() => "running 0"),
    );
  });

  test("stops what nobody wants any more, and starts what ended meanwhile", async () => {
    await using t = supervised();
    const specs = [t.service("web", forever), t.service("db", forever)];
    for (const spec of specs) await t.supervisor.start(spec);
    const pids = specs.map(({ packId }) => t.supervisor.view(packId)?.pid as number);
    t.unwanted.add("web");
    await t.supervisor[Symbol.asyncDispose]();
    process.kill(pids[1] as number, "SIGKILL");
    await until(() => !alive(pids[1] as number));
    await t.next(specs);
    await t.seen("web", ({ state }) => state === "stopped");
    expect(alive(pids[0] as number)).toBe(false);
    expect(await t.seen("db", ({ state }) => state === "running")).toMatchObject({ restarts: 1 });
  });
});

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await Bun.sleep(5);
}
