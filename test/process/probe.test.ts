import { expect, test } from "bun:test";

import { PROBE_OUTPUT_BYTES, probeExec, probeHttp, probeTcp } from "../../src/process/probe.ts";

const env = { PATH: "/usr/bin:/bin" };
const exec = async (script: string, timeoutMs = 5_000) =>
  await probeExec({ argv: ["sh", "-c", script], cwd: "/", env, timeoutMs });

test("exec: the exit code decides", async () => {
  expect(await exec("echo fine; echo more >&2")).toEqual({
    healthy: true,
    rc: 0,
    durationMs: expect.any(Number),
    output: "fine\nmore\n",
    detail: "exit code 0",
  });
  expect(await exec("exit 3")).toMatchObject({ healthy: false, rc: 3, detail: "exit code 3" });
  expect(await exec("kill -9 $$")).toMatchObject({ healthy: false, rc: 137, detail: "died of SIGKILL" });
});

test("exec: a check that hangs is unhealthy in time, one that cannot be run is too", async () => {
  expect(await exec("exec sleep 1000", 30)).toMatchObject({
    healthy: false,
    rc: -1,
    detail: "no end within 30 ms",
  });
  const missing = await probeExec({ argv: ["/no/such/check"], cwd: "/", env, timeoutMs: 100 });
  expect(missing).toMatchObject({
    healthy: false,
    rc: null,
    detail: 'cannot run "/no/such/check": it was not found',
  });
});

function serve(answer: (request: Request) => Response | Promise<Response>) {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  return {
    url: `http://127.0.0.1:${server.port}/`,
    port: server.port as number,
    [Symbol.dispose]: () => void server.stop(true),
  };
}

test.each([
  [200, true],
  [204, true],
  [302, true],
  [404, false],
  [500, false],
  [503, false],
])("http: status %d is healthy: %p", async (status, healthy) => {
  using server = serve(
    () => new Response(status === 204 ? null : "body", { status, headers: { location: "/elsewhere" } }),
  );
  expect(await probeHttp(server.url, 5_000)).toEqual({
    healthy,
    rc: status,
    durationMs: expect.any(Number),
    output: status === 204 ? "" : "body",
    detail: `HTTP status ${status}`,
  });
});

test("http: no answer, nobody there, and a stop", async () => {
  using server = serve(() => new Promise<Response>(() => {}));
  expect(await probeHttp(server.url, 30)).toMatchObject({
    healthy: false,
    rc: null,
    detail: "no answer within 30 ms",
  });
  const controller = new AbortController();
  const stopped = probeHttp(server.url, 60_000, controller.signal);
  controller.abort();
  expect(await stopped).toMatchObject({ healthy: false });
  const url = "http://127.0.0.1:1/";
  expect(await probeHttp(url, 5_000)).toMatchObject({ healthy: false, detail: "connection refused" });
});

test("http: an endless answer is read only so far", async () => {
  const block = new Uint8Array(4096).fill(65);
  using server = serve(
    () => new Response(new ReadableStream({ pull: (controller) => controller.enqueue(block) })),
  );
  const { healthy, output } = await probeHttp(server.url, 5_000);
  expect([healthy, output.length]).toEqual([true, PROBE_OUTPUT_BYTES]);
});

test("http: a proxy in the environment is not asked", async () => {
  using server = serve(() => new Response("direct"));
  const script = `const { probeHttp } = await import("./src/process/probe.ts");
    console.log((await probeHttp(${JSON.stringify(server.url)}, 5000)).output);`;
  const child = Bun.spawn([process.execPath, "-e", script], {
    cwd: `${import.meta.dir}/../..`,
    env: { ...env, HTTP_PROXY: "http://127.0.0.1:1", http_proxy: "http://127.0.0.1:1" },
  });
  expect(await child.stdout.text()).toBe("direct\n");
});

test("tcp: a connection is healthy", async () => {
  using server = serve(() => new Response());
  expect(await probeTcp(server.port, 5_000)).toEqual({
    healthy: true,
    rc: null,
    durationMs: expect.any(Number),
    output: "",
    detail: "connected",
  });
  expect(await probeTcp(1, 5_000)).toMatchObject({ healthy: false, detail: "connection refused" });
  expect(await probeTcp(1, 5_000, AbortSignal.abort())).toMatchObject({ healthy: false, detail: "stopped" });
});
