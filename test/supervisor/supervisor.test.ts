/** The supervisor with real processes. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";

import { identify, isAlive, type ProcessIdentity } from "../../src/process/tree.ts";
import { findTree } from "../../src/supervisor/service-tree.ts";
import { gate, supervised } from "./service.ts";

const alive = (pid: number) => identify(pid) !== undefined;
const forever = "exec sleep infinity";

describe("a simple service", () => {
  test("runs in a session of its own, with its output in its logs and its mark in its environment", async () => {
    await using t = supervised();
    const view = await t.supervisor.start(
      t.service(
        "web",
        'echo "out"; echo "err" >&2; touch made; ls -l /proc/$$/fd | wc -l > fds; exec sleep infinity',
      ),
    );
    expect(view).toMatchObject({ state: "running", restarts: 0, exitCode: null, health: "unknown" });
    const pid = view.pid as number;
    await until(() => existsSync(`${t.directory}/fds`) && readFileSync(`${t.directory}/fds`, "utf8") !== "");
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

  test("is not started again once nobody wants it", async () => {
    await using t = supervised();
    const { pid } = await t.supervisor.start(t.service("web", forever));
    t.unwanted.add("web");
    process.kill(pid as number, "SIGKILL");
    expect(await t.seen("web", ({ state }) => state === "stopped")).toMatchObject({ pid: null });
  });
});

describe("stopping", () => {
  test("ends what left the session and the group, and what ignores the signal", async () => {
    await using t = supervised();
    const spec = t.service(
      "web",
      "setsid sleep infinity & (setsid setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' &) ; sleep 0.2; touch up; exec sleep infinity",
      { stopTimeoutSeconds: 0.3 },
    );
    await t.supervisor.start(spec);
    await until(() => existsSync(`${t.directory}/up`));
    const tree = findTree({ serviceId: t.store.records.get("web")?.serviceId ?? "", leader: null });
    expect(tree.length).toBeGreaterThanOrEqual(3);
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
});

describe("dependencies and health", () => {
  test("a service starts when what it depends on is healthy, and not before", async () => {
    await using t = supervised();
    let isHealthy = false;
    const probe = async () => ({ healthy: isHealthy, output: "" });
    const db = t.service("db", forever, { health: { config: gate, watchSeconds: 0, probe } });
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
    const health = { config: gate, watchSeconds: 0.01, probe };
    const { pid } = await t.supervisor.start(t.service("db", forever, { health }));
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
    const next = await t.next(specs);
    expect(next.view("web")).toMatchObject({ state: "running", restarts: 1, pid });
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
    if (record?.leader)
      t.store.records.set("web", { ...record, leader: { ...record.leader, pid: stranger.pid } });
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
