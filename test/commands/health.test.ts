import { expect, test } from "bun:test";

import { testHome } from "../support/test-home.ts";

test("runs the checks now: exit 4 unless all are healthy", async () => {
  await using t = testHome();
  expect(await t.run(["health"])).toEqual({ stdout: "nothing is installed\n", stderr: "", exitCode: 0 });
  t.write({ id: "app", health: "if [ -e data/sick ]; then echo 'no pulse' >&2; exit 3; fi" });
  t.write({ id: "well" });
  await t.run(["install", "app", "well"]);
  expect(await t.run(["health"])).toEqual({
    stdout: "app  healthy  N ms\nwell  healthy  N ms\n",
    stderr: "",
    exitCode: 0,
  });
  await Bun.write(`${t.home}/data/app/sick`, "");
  expect(await t.run(["health"])).toEqual({
    stdout:
      "app  unhealthy  N ms  its health check ended with exit code 3\n    no pulse\nwell  healthy  N ms\n",
    stderr: "",
    exitCode: 4,
  });
  expect((await t.json(["health", "app"])).value).toEqual({
    healthy: false,
    packs: [
      {
        pack_id: "app",
        health: "unhealthy",
        rc: 3,
        duration_ms: expect.any(Number),
        output: "no pulse",
        detail: "its health check ended with exit code 3",
      },
    ],
  });
  expect((await t.json(["status", "app"])).value).toMatchObject([{ state: "running", health: "unhealthy" }]);
  expect(await t.run(["health", "well"])).toMatchObject({ exitCode: 0 });
});

test("a check that hangs is ended after its time", async () => {
  await using t = testHome();
  t.write({ id: "app", health: "[ ! -e data/hang ] || sleep 300" });
  const manifest = `${t.packs}/app/manifest.yaml`;
  await Bun.write(
    manifest,
    (await Bun.file(manifest).text()).replace(
      "health_check_timeout_seconds: 30",
      "health_check_timeout_seconds: 0.5",
    ),
  );
  await t.run(["install", "app"]);
  await Bun.write(`${t.home}/data/app/hang`, "");
  expect(await t.run(["health", "app"])).toEqual({
    stdout: "app  unhealthy  N ms  its health check did not end in time\n",
    stderr: "",
    exitCode: 4,
  });
  expect((await t.json(["health", "app"])).value).toMatchObject({ packs: [{ rc: -1 }] });
});

test("what does not run is not healthy, and a pack without a check is unknown", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  t.write({ id: "mute", health: null });
  await t.run(["install", "app", "mute"]);
  await t.run(["stop", "app"]);
  expect(await t.run(["health"])).toEqual({
    stdout: "app  unhealthy  it is not running\nmute  unknown  it has no health check\n",
    stderr: "",
    exitCode: 4,
  });
  expect(await t.run(["health", "nobody"])).toMatchObject({ exitCode: 5 });
});

test("checks over http and tcp", async () => {
  await using t = testHome();
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: ({ url }) => new Response("x", { status: url.endsWith("/good") ? 200 : 503 }),
  });
  const at = `http://127.0.0.1:${server.port}`;
  t.write({ id: "good", health: null, clocks: `http: "${at}/good", tcp: ${server.port}` });
  t.write({ id: "bad", health: null, clocks: `http: "${at}/bad"`, isSick: true });
  expect(await t.run(["install", "good"])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["install", "bad"])).toMatchObject({
    stdout: "rolled back: bad: it is not healthy: HTTP status 503\nmore: aurora why bad\n",
    exitCode: 4,
  });
});
