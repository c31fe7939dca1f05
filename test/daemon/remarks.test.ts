import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import { eventually } from "../support/eventually.ts";
import { serviceHome, simplePack } from "./service-home.ts";

const metricOf = async (home: string, name: string) => {
  const response = await fetch("http://a/metrics", { unix: `${home}/run/aurora.sock` } as RequestInit);
  const line = (await response.text()).split("\n").find((text) => text.startsWith(`${name}{pack="app"}`));
  return Number(line?.split(" ")[1]);
};
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const fine = { reason: null, last_end: null, next_start: null, status_text: null };

test("status says why a service failed, when it starts again, and why it was restarted", async () => {
  await using t = serviceHome();
  const start = 'test -e "$AURORA_HOME/break" && exit 7\necho works; exec sleep 300';
  t.write({ ...simplePack({ start }), manifest: "  service: { type: simple, backoff_seconds: [600, 600] }" });
  await t.run(["install", "app"]);
  await t.prints(/works/);
  expect(await t.status()).toMatchObject(fine);
  process.kill((await t.status()).pid as number, "SIGKILL");
  const died = "it died of SIGKILL, which the daemon did not send";
  const failing = await t.reaches("its backoff", ({ state }) => state === "backoff");
  expect(failing).toMatchObject({ reason: died, last_end: died, next_start: expect.stringMatching(TIME) });
  expect((await t.run(["status", "app"])).stdout).toEndWith(`\n\napp: ${died}; it starts again at TIME\n`);

  expect(await t.events()).toContain("backoff");
  const { value } = await t.json(["why", "app"]);
  expect(value).toMatchObject({
    state: "backoff",
    cause: expect.stringContaining(`${died}; it starts again at `),
  });

  await t.run(["start", "app"]);
  expect(await t.status()).toMatchObject({ state: "running", ...fine });
  await t.run(["stop", "app"]);
  expect(await t.status()).toMatchObject({ state: "stopped", ...fine });

  await Bun.write(`${t.home}/break`, "");
  expect(await t.run(["start", "app"])).toMatchObject({
    stderr: expect.stringContaining("its start script ended with exit code 7"),
  });
});

test("a service that was restarted says how often and why, in the text and the metrics too", async () => {
  await using t = serviceHome();
  t.write(simplePack());
  await t.run(["install", "app"]);
  await t.prints(/up/);
  process.kill((await t.status()).pid as number, "SIGKILL");
  const again = await t.reaches(
    "its restart",
    ({ state, restarts }) => state === "running" && restarts === 1,
  );
  const died = "it died of SIGKILL, which the daemon did not send";
  expect(again).toMatchObject({ ...fine, last_end: died });
  expect((await t.run(["status"])).stdout).toEndWith(
    `\n\napp: it was restarted once; the last time ${died}\n`,
  );
  expect(await metricOf(t.home, "aurora_pack_restarts_total")).toBe(1);
});

test.each([
  ["simple", "exec sleep 300", /^\d+ health checks in a row failed; the last check: /],
  ["oneshot", "sleep 300 &", /^/],
])(
  "what the check of an unhealthy %s pack has said is in status, why and events; metrics call it so",
  async (type, start, which) => {
    await using t = serviceHome();
    t.write({
      id: "app",
      start,
      stop: null,
      health:
        'test ! -e "$AURORA_HOME/sick" && exit 0\necho trying\nprintf "no \\033[31mdatabase\\n"; exit 3',
      clocks: "watch_seconds: 0.1",
      manifest: `  service: { type: ${type}, restart: no }`,
    });
    await t.run(["install", "app"]);
    // A oneshot pack is watched by a daemon that something else needs.
    t.write(simplePack({ id: "other" }));
    await t.run(["install", "other"]);
    expect(await t.status()).toMatchObject({ health: "healthy", ...fine });
    expect(await metricOf(t.home, "aurora_pack_healthy")).toBe(1);
    await Bun.write(`${t.home}/sick`, "");
    const { reason } = await t.reaches("what is wrong", ({ health }) => health === "unhealthy");
    const said = "its health check ended with exit code 3: no  [31mdatabase";
    expect(reason).toMatch(which);
    expect(reason).toEndWith(said);
    expect(await metricOf(t.home, "aurora_pack_healthy")).toBe(0);
    expect((await t.run(["status", "app"])).stdout).toContain(`${said}\n`);
    expect((await t.json(["why", "app"])).value).toMatchObject({ cause: expect.stringContaining(said) });
    const { value } = await t.json(["events", "app", "-n", "1000"]);
    expect(value).toContainEqual(
      expect.objectContaining({ kind: "unhealthy", detail: { reason: expect.stringContaining(said) } }),
    );
  },
);

test("while a service is being checked, status says what the last check has said; that is no failure", async () => {
  await using t = serviceHome();
  t.write({
    ...simplePack({ health: 'test -e "$AURORA_HOME/well" || { echo "not yet"; exit 1; }' }),
    clocks: "watch_seconds: 0",
  });
  await t.run(["install", "app", "--no-start"]);
  expect(await t.run(["start", "app"])).toMatchObject({ exitCode: 0 });
  const reason = "its health check ended with exit code 1: not yet";
  expect(await t.reaches("a failed check", (now) => now.reason !== null)).toMatchObject({
    state: "starting",
    reason,
  });
  await Bun.write(`${t.home}/well`, "");
  expect(await t.reaches("its health", ({ health }) => health === "healthy")).toMatchObject({
    state: "running",
    ...fine,
  });
});

test("a service that waits says for which packs, also when some of them are healthy by now", async () => {
  await using t = serviceHome();
  const health = 'test -e "$AURORA_HOME/$AURORA_PACK_ID.well"';
  t.write(simplePack({ id: "one", health }));
  t.write(simplePack({ id: "two", health }));
  const dependencies =
    '  dependencies: [{ pack_id: one, version_constraint: "*" }, { pack_id: two, version_constraint: "*" }]';
  t.write(simplePack({ manifest: dependencies }));
  for (const id of ["one", "two"]) await Bun.write(`${t.home}/${id}.well`, "");
  await t.run(["install", "one", "two", "app"]);
  await t.run(["daemon", "stop", "--services"]);
  for (const id of ["one", "two"]) await Bun.file(`${t.home}/${id}.well`).delete();
  t.write(simplePack({ id: "other" }));
  await t.run(["install", "other"]);
  const waits = (ids: string) => `it waits for ${ids} to be healthy`;
  await t.reaches("that it waits for both", ({ reason }) => reason === waits('"one", "two"'));
  await Bun.write(`${t.home}/one.well`, "");
  await t.reaches("that it waits for one", ({ reason }) => reason === waits('"two"'));
  await Bun.write(`${t.home}/two.well`, "");
  expect(await t.reaches("its start", ({ state }) => state === "running")).toMatchObject(fine);
});

test("status warns of services that no daemon watches, and of no others", async () => {
  await using t = serviceHome();
  t.write(simplePack({ start: 'echo up; while test ! -e "$AURORA_DATA_DIR/end"; do sleep 0.02; done' }));
  t.write(simplePack({ id: "other" }));
  await t.run(["install", "app", "other"]);
  expect(await t.run(["status"])).toMatchObject({ stderr: "", exitCode: 0 });
  await t.crashDaemon();
  // Its lock is free when its last thread has ended.
  await eventually("no daemon", async () =>
    (await t.run(["daemon", "status"])).stdout === "no daemon is running\n" ? true : undefined,
  );
  const what = (packs: string) =>
    `warning: no daemon runs: nobody watches ${packs}, or starts it again; aurora daemon does, and so does the next command that needs one\n`;
  expect(await t.run(["status"])).toMatchObject({ stderr: what('"app" and 1 more'), exitCode: 0 });
  expect(await t.run(["status", "other"])).toMatchObject({ stderr: what('"other"'), exitCode: 0 });
  expect(await t.run(["status", "--quiet"])).toMatchObject({ stderr: "", exitCode: 0 });
  await t.run(["stop", "other"]);
  // Of what an earlier daemon has started nobody sees the exit code.
  await t.run(["restart", "app"]);
  // Its policy leaves it at an exit code of 0.
  await Bun.write(`${t.home}/data/app/end`, "");
  await eventually("its end", async () => (await t.events()).includes("exited") || undefined);
  await t.run(["daemon", "stop"]);
  expect(await t.run(["status"])).toMatchObject({ stderr: "", exitCode: 0 });
});

test("a service that cannot be executed fails with what keeps it from that", async () => {
  await using t = serviceHome();
  const pack = t.write(simplePack());
  writeFileSync(`${pack}/start.sh`, "#!/nobody/has/this\n");
  const { stdout, exitCode } = await t.run(["install", "app"]);
  expect(exitCode).toBe(4);
  expect(stdout).toMatch(/^rolled back: app: cannot run "\S+\/start.sh": its interpreter does not exist$/m);
});
