/** sd_notify(3) with real processes. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { parseNotifyMessage } from "../../src/supervisor/notify-message.ts";
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
    });
  });
  test("with times", () => {
    expect(parseNotifyMessage("EXTEND_TIMEOUT_USEC=2000000\nWATCHDOG_USEC=500000\nSTOPPING=1")).toEqual({
      events: [{ type: "extended", byMs: 2000 }, { type: "watchdog", ms: 500 }, { type: "leaving" }],
      status: null,
    });
  });
  test.each(["", "READY", "READY=0", "=1", "WATCHDOG_USEC=-1", "WATCHDOG_USEC=1e9", "EXTEND_TIMEOUT_USEC="])(
    "that says nothing: %j",
    (text) => {
      expect(parseNotifyMessage(text)).toEqual({ events: [], status: null });
    },
  );
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
});

test("what says it may have ended when it is heard, as systemd-notify does", async () => {
  await using t = supervised();
  const argv = ["/bin/sh", "-c", `'${process.execPath}' '${sender}' READY=1 STATUS=heard; exec sleep 60`];
  for (const id of ["one", "two", "three", "four"])
    expect(await t.supervisor.start(t.service(id, "", { ...saying(), argv }))).toMatchObject({
      state: "running",
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
  expect(await t.supervisor.restart("web")).toMatchObject(again);
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
  await t.supervisor.start(t.service("web", "", { ...saying("READY=1\nSTATUS=mine", "wait") }));
  const address = readdirSync(t.directory).find((name) => name.startsWith("notify-")) as string;
  const go = `${t.directory}/go`;
  const hasSaid = `${t.directory}/said`;
  // It lives on until what it has said is read: of one who is gone nobody knows whose process it was.
  const said = ["STATUS=forged", "STOPPING=1", `made=${hasSaid}`, `wait-for=${go}`];
  const child = Bun.spawn([process.execPath, sender, ...said], {
    env: { NOTIFY_SOCKET: `${t.directory}/${address}` },
  });
  while (!existsSync(hasSaid)) await Bun.sleep(5);
  // A later message of another service is a sign that the forged ones were read.
  await t.supervisor.start(t.service("other", "", saying("READY=1\nSTATUS=later", "wait")));
  await t.seen("other", ({ statusText }) => statusText === "later");
  await Bun.write(go, "");
  expect(await child.exited).toBe(0);
  expect(t.supervisor.view("web")).toMatchObject({ state: "running", statusText: "mine" });
});

test("a path that is too long for a socket gives one in the abstract namespace", async () => {
  await using t = supervised();
  t.world.notifyDirectory = `${t.directory}/${"long/".repeat(30)}`;
  mkdirSync(t.world.notifyDirectory, { recursive: true });
  expect(await t.supervisor.start(t.service("web", "", saying("READY=1", "wait")))).toMatchObject({
    state: "running",
  });
});
