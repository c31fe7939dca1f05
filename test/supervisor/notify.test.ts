/** sd_notify(3) with real processes. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { parseNotifyMessage } from "../../src/supervisor/notify-message.ts";
import { readProcess } from "../../src/system/process-table.ts";
import { supervised } from "./service.ts";

const sender = join(import.meta.dir, "notify-sender.ts");
const saying = (...messages: string[]) => ({
  type: "notify" as const,
  argv: [process.execPath, sender, ...messages],
});

describe("a message", () => {
  test("of several lines", () => {
    expect(parseNotifyMessage("READY=1\nSTATUS=all is well\nWATCHDOG=1\nX_OWN=1")).toEqual({
      events: [{ type: "ready" }, { type: "alive" }],
      status: "all is well",
      mainPid: null,
    });
  });
  test("with times", () => {
    expect(parseNotifyMessage("EXTEND_TIMEOUT_USEC=2000000\nWATCHDOG_USEC=500000\nSTOPPING=1")).toEqual({
      events: [{ type: "extended", byMs: 2000 }, { type: "watchdog", ms: 500 }, { type: "leaving" }],
      status: null,
      mainPid: null,
    });
  });
  test("of another process that stands for the service", () => {
    expect(parseNotifyMessage("MAINPID=4711\nREADY=1")).toEqual({
      events: [{ type: "ready" }],
      status: null,
      mainPid: 4711,
    });
  });
  test.each([
    "MAINPID=0",
    "MAINPID=-1",
    "MAINPID=1e3",
    "MAINPID=",
    "",
    "READY",
    "READY=0",
    "=1",
    "WATCHDOG_USEC=-1",
    "WATCHDOG_USEC=1e9",
    "EXTEND_TIMEOUT_USEC=",
  ])("that says nothing: %j", (text) => {
    expect(parseNotifyMessage(text)).toEqual({ events: [], status: null, mainPid: null });
  });
  test("a status reaches a terminal without control characters, and not endlessly long", () => {
    expect(parseNotifyMessage(`STATUS=a\u001b[31mb${"x".repeat(500)}`).status).toBe(
      `a [31mb${"x".repeat(193)}`,
    );
  });
});

test("a service is ready when it says so, and its status is shown", async () => {
  await using t = supervised();
  const go = `${t.directory}/go`;
  const starting = t.supervisor.start(
    t.service("web", "", saying("STATUS=loading", `wait-for=${go}`, "READY=1\nSTATUS=serving", "wait")),
  );
  const loading = await t.seen("web", ({ statusText }) => statusText === "loading");
  expect(loading.state).toBe("starting");
  await Bun.write(go, "");
  expect(await starting).toMatchObject({ state: "running", statusText: "serving" });
  // It says so once, and the next daemon shows it too.
  const next = await t.next([t.service("web", "", saying("READY=1", "wait"))]);
  expect(next.view("web")).toMatchObject({ state: "running", statusText: "serving", restarts: 0 });
});

test("what says it may have ended when it is heard, as systemd-notify does", async () => {
  await using t = supervised();
  const argv = ["/bin/sh", "-c", `'${process.execPath}' '${sender}' READY=1 STATUS=heard; exec sleep 60`];
  for (const id of ["one", "two", "three", "four"])
    expect(await t.supervisor.start(t.service(id, "", { ...saying(), argv }))).toMatchObject({
      state: "running",
    });
});

test.each([0, 3])("who ends with %i before it is ready has failed", async (rc) => {
  await using t = supervised();
  const spec = t.service("web", "", {
    type: "notify",
    argv: ["/bin/sh", "-c", `exit ${rc}`],
    restart: "no",
  });
  expect(await t.supervisor.start(spec)).toMatchObject({
    state: "failed",
    exitCode: rc,
    reason: `it ended with exit code ${rc} before it had said READY=1`,
  });
});

test("who is not ready in time is stopped", async () => {
  await using t = supervised();
  const spec = t.service("web", "", { ...saying("wait"), startTimeoutSeconds: 0.3, restart: "no" });
  expect(await t.supervisor.start(spec)).toMatchObject({
    state: "failed",
    pid: null,
    reason: "it was not ready within 0.3 s: it has not said READY=1",
  });
});

test("a start has failed when it was not ready in time, though it is tried again at once", async () => {
  await using t = supervised();
  const spec = t.service("web", "", {
    ...saying("wait"),
    startTimeoutSeconds: 0.3,
    restart: "always",
    backoffSeconds: [0.1, 0.1],
  });
  const reason = "it was not ready within 0.3 s: it has not said READY=1";
  const again = { state: expect.stringMatching(/^(starting|backoff)$/), reason };
  expect(await t.supervisor.start(spec)).toMatchObject(again);
  expect(await t.supervisor.start({ ...spec, generation: 2 })).toMatchObject(again);
});

test("a watchdog that is not answered any more is a failure", async () => {
  await using t = supervised();
  const spec = t.service("web", "", {
    ...saying("READY=1", "WATCHDOG=1", "wait"),
    watchdogSeconds: 0.3,
    restart: "no",
  });
  expect(await t.supervisor.start(spec)).toMatchObject({ state: "running" });
  const view = await t.seen("web", ({ state }) => state === "failed");
  expect(view).toMatchObject({ reason: "its watchdog was not answered", health: "unhealthy" });
});

test("who says that it stops is seen to stop, with its own exit code", async () => {
  await using t = supervised();
  const go = `${t.directory}/go`;
  void t.supervisor.start(t.service("web", "", saying("READY=1", "STOPPING=1", `wait-for=${go}`)));
  expect(await t.seen("web", ({ state }) => state === "stopping")).toMatchObject({ exitCode: null });
  await Bun.write(go, "");
  expect(await t.seen("web", ({ state }) => state === "exited")).toMatchObject({ exitCode: 0 });
});

test("nobody speaks for a service of which it is no process", async () => {
  await using t = supervised();
  const said = `${t.directory}/said`;
  const own = ["READY=1\nSTATUS=mine", `wait-for=${said}`, "STATUS=later", "wait"];
  await t.supervisor.start(t.service("web", "", saying(...own)));
  const statuses: (string | null)[] = [];
  t.supervisor.subscribe(({ statusText }) => void statuses.push(statusText));
  const address = readdirSync(t.directory).find((name) => name.startsWith("notify-")) as string;
  // It lives until the service's own message, which is behind these in the same socket, was heard.
  const forger = Bun.spawn(
    [process.execPath, sender, "STATUS=forged", "STOPPING=1", `touch=${said}`, "wait"],
    {
      env: { NOTIFY_SOCKET: `${t.directory}/${address}` },
    },
  );
  await t.seen("web", ({ statusText }) => statusText === "later");
  forger.kill("SIGKILL");
  await forger.exited;
  expect(statuses).not.toContain("forged");
  expect(t.supervisor.view("web")).toMatchObject({ state: "running" });
});

describe("a service that leaves itself to another process (MAINPID=)", () => {
  /** The first process ends as soon as the other has said that it stands for the service; that one waits. */
  const forking = (directory: string, name = "said", message = "MAINPID=$PID\nREADY=1") => ({
    type: "notify" as const,
    argv: [
      "/bin/sh",
      "-c",
      `rm -f ${name}; '${process.execPath}' '${sender}' '${message}' 'touch=${directory}/${name}' wait & while [ ! -e ${name} ]; do sleep 0.01; done`,
    ],
  });
  /** Runs, and its first process is gone. */
  const followed = async (t: ReturnType<typeof supervised>) => {
    await t.supervisor.start(t.service("web", "", forking(t.directory)));
    const { pid } = t.supervisor.view("web") ?? {};
    expect(readProcess(pid as number)?.name).not.toBe("sh");
    return pid as number;
  };

  test("runs on when its first process has ended, and ends with the other, whose end is told", async () => {
    await using t = supervised();
    const main = await followed(t);
    // Its parent is gone, so that it is a child of this process.
    await until(() => readProcess(main)?.parent === process.pid);
    expect(t.supervisor.view("web")).toMatchObject({ state: "running", pid: main, restarts: 0 });
    process.kill(main, "SIGTERM");
    const view = await t.seen("web", ({ restarts, state }) => restarts === 1 && state === "running");
    expect(view).toMatchObject({ lastEnd: "it died of SIGTERM" });
    expect(view.pid).not.toBe(main);
  });

  test("is stopped with all of its processes", async () => {
    await using t = supervised();
    const main = await followed(t);
    expect(await t.supervisor.stop("web")).toMatchObject({ state: "stopped", pid: null });
    expect(readProcess(main)?.state ?? "Z").toBe("Z");
  });

  test("is taken over by the next daemon as that process", async () => {
    await using t = supervised();
    const main = await followed(t);
    await t.next([t.service("web", "", forking(t.directory))]);
    expect(t.supervisor.view("web")).toMatchObject({ state: "running", pid: main, restarts: 0 });
    process.kill(main, "SIGKILL");
    expect(
      await t.seen("web", ({ restarts, state }) => restarts === 1 && state === "running"),
    ).not.toMatchObject({
      pid: main,
    });
  });

  test("is not followed to a process that is none of its own, which is said", async () => {
    await using t = supervised();
    const spec = t.service("web", "", saying("MAINPID=1\nREADY=1", "wait"));
    const { pid } = await t.supervisor.start(spec);
    expect(t.warnings).toEqual(['"web" says MAINPID=1, which is not followed: that is no process of it']);
    // Most programs say it of themselves.
    await t.supervisor.start(t.service("other", "", saying("MAINPID=$PID\nREADY=1", "wait")));
    expect(t.warnings).toHaveLength(1);
    expect(t.supervisor.view("web")).toMatchObject({ state: "running", pid });
  });
});

test("a path that is too long for a socket gives one in the abstract namespace", async () => {
  await using t = supervised();
  t.world.notifyDirectory = `${t.directory}/${"long/".repeat(30)}`;
  mkdirSync(t.world.notifyDirectory, { recursive: true });
  expect(await t.supervisor.start(t.service("web", "", saying("READY=1", "wait")))).toMatchObject({
    state: "running",
  });
});

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await Bun.sleep(5);
}
