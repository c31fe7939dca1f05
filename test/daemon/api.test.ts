/** The running daemon against its own description, and against what clients may do to it. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";

import Ajv from "ajv/dist/2020.js";

import { type ApiEvent } from "../../src/daemon/api-schema.ts";
import { matchRoute, type Route, routes } from "../../src/daemon/routes.ts";
import { auroraCommand } from "../support/aurora.ts";
import { serviceHome, simplePack } from "./service-home.ts";

type Schema = Record<string, unknown>;
type Operation = {
  requestBody?: Schema;
  responses: { "200": { content: Record<string, { schema: Schema }> } };
};
type OpenApi = {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: { Error: Schema } };
};

let t: ReturnType<typeof serviceHome>;
let daemon: Bun.Subprocess;
let description: OpenApi;
const ajv = new Ajv({ strict: false, validateFormats: false });

beforeAll(async () => {
  t = serviceHome();
  t.write(simplePack({ health: "exit 0" }));
  t.write({ id: "one", health: null });
  await t.run(["install", "app", "one"]);
  await t.run(["daemon", "stop"]);
  daemon = Bun.spawn([...auroraCommand, "daemon", "--home", t.home, "--json"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  await (daemon.stdout as ReadableStream<Uint8Array>).getReader().read();
  description = (await (await ask("GET", "/v1/openapi.json")).json()) as OpenApi;
});
// Another test may have stopped it.
beforeEach(async () => void (await ask("POST", "/v1/packs/app/start")));
afterAll(async () => {
  daemon.kill();
  await daemon.exited;
  await t[Symbol.asyncDispose]();
});

const ask = (method: string, path: string, init: RequestInit = {}) =>
  fetch(`http://aurora${path}`, { unix: `${t.home}/run/aurora.sock`, method, ...init } as RequestInit);

/** The description allows for keys that a later version adds; what this one answers it has to name. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const entries = Object.entries(schema).map(([key, value]) => [key, closed(value)] as const);
  const isOpen = "properties" in schema && !("additionalProperties" in schema);
  return Object.fromEntries([...entries, ...(isOpen ? [["additionalProperties", false] as const] : [])]);
}

function fits(schema: Schema, value: unknown): true | string {
  const validate = ajv.compile(closed(schema) as Schema);
  return validate(value) ? true : ajv.errorsText(validate.errors);
}

test("every route is described, and nothing else", () => {
  expect(description.openapi).toBe("3.1.0");
  const described = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const known = (Object.values(routes) as Route[]).map(({ method, path }) => `${method} ${path}`);
  expect(described.toSorted()).toEqual(known.toSorted());
});

/** What is asked of the running daemon: one for each route that answers in JSON and does not end it. */
const questions: [method: string, path: string, asked: string, body: unknown][] = [
  ["GET", "/v1/status", "/v1/status", undefined],
  ["GET", "/v1/status", "/v1/status?pack=app&pack=one", undefined],
  ["GET", "/v1/packs/{pack_id}", "/v1/packs/app", undefined],
  ["POST", "/v1/packs/{pack_id}/restart", "/v1/packs/app/restart", undefined],
  ["POST", "/v1/packs/{pack_id}/stop", "/v1/packs/app/stop", undefined],
  ["POST", "/v1/packs/{pack_id}/start", "/v1/packs/app/start", undefined],
  ["POST", "/v1/packs/{pack_id}/signal", "/v1/packs/app/signal", { signal: "CONT" }],
  ["POST", "/v1/packs/{pack_id}/signal", "/v1/packs/app/signal", { signal: "SIGCONT", all: true }],
  ["POST", "/v1/packs/{pack_id}/stop", "/v1/packs/one/stop", undefined],
  ["POST", "/v1/services/{pack_id}/start", "/v1/services/app/start", { generation: 1 }],
  ["GET", "/v1/daemon", "/v1/daemon", undefined],
  ["POST", "/v1/daemon/reload", "/v1/daemon/reload", {}],
  ["GET", "/v1/openapi.json", "/v1/openapi.json", undefined],
];
test.each(questions)("%s %s answers %s as described", async (method, path, asked, body) => {
  const response = await ask(method, asked, body === undefined ? {} : { body: JSON.stringify(body) });
  const value: unknown = await response.json();
  expect(value).not.toHaveProperty("error");
  expect({ status: response.status, type: response.headers.get("content-type") }).toEqual({
    status: 200,
    type: "application/json",
  });
  const operation = description.paths[path]?.[method.toLowerCase()] as Operation;
  expect(fits(operation.responses["200"].content["application/json"]?.schema as Schema, value)).toBe(true);
});

test("what it answers is what the commands print", async () => {
  const { memory_bytes: _now, ...asked } = (
    (await (await ask("GET", "/v1/status?pack=app")).json()) as [Schema]
  )[0];
  const { memory_bytes: _then, ...printed } = (await t.status()) as unknown as Schema;
  expect(asked).toEqual(printed);
});

const refusals: [method: string, path: string, body: string | undefined, status: number, code: string][] = [
  ["GET", "/nothing", undefined, 404, "not-found"],
  ["GET", "/v1/packs/nothing", undefined, 404, "not-found"],
  ["POST", "/v1/packs/nothing/start", undefined, 404, "not-found"],
  ["POST", "/v1/packs/nothing/signal", '{"signal":"HUP"}', 404, "not-found"],
  ["POST", "/v1/packs/app/signal", '{"signal":"HUPP"}', 400, "usage"],
  ["POST", "/v1/packs/app/signal", undefined, 400, "usage"],
  ["DELETE", "/v1/status", undefined, 405, "usage"],
  ["POST", "/v1/services/app/start", "{", 400, "usage"],
  ["POST", "/v1/services/app/start", '{"generation":"1"}', 400, "usage"],
  ["POST", "/v1/services/app/start", '{"generation":1,"other":1}', 400, "usage"],
  ["POST", "/v1/services/app/start", '{"generation":7}', 409, "conflict"],
  ["POST", "/v1/packs/app/stop", "[]", 400, "usage"],
  ["POST", "/v1/packs/app/stop", "null", 400, "usage"],
  ["GET", "/v1/events?after=x", undefined, 400, "usage"],
];
test.each(refusals)(
  "%s %s with %p is refused as a command would",
  async (method, path, body, status, code) => {
    const response = await ask(method, path, body === undefined ? {} : { body });
    const value = (await response.json()) as { error: { code: string } };
    expect({ status: response.status, code: value.error.code }).toEqual({ status, code });
    expect(fits(description.components.schemas.Error, value)).toBe(true);
  },
);

test.each([
  ["[]", "it is no object", null],
  ["{}", '"signal" is missing', "GET /v1/openapi.json describes what it may say"],
  ['{"signal":"HUP","al":true}', '"al" is unknown', "GET /v1/openapi.json describes what it may say"],
  [
    '{"signal":1}',
    '"signal": Invalid type: Expected string but received 1',
    "GET /v1/openapi.json describes what it may say",
  ],
])("what is wrong with the body %s is said", async (body, fault, hint) => {
  const response = await ask("POST", "/v1/packs/app/signal", { body });
  expect(await response.json()).toMatchObject({
    error: { code: "usage", message: `cannot read the body: ${fault}`, hint },
  });
});

test("the description says where a body has to be, and what else may be asked", async () => {
  const bodyOf = (path: string) => description.paths[path]?.["post"]?.requestBody;
  expect(bodyOf("/v1/packs/{pack_id}/signal")).toMatchObject({ required: true });
  expect(bodyOf("/v1/packs/{pack_id}/stop")).toMatchObject({ required: false });
  expect((await ask("PUT", "/v1/status")).headers.get("allow")).toBe("GET, HEAD");
});

test("every path that a route has is found, with its pack", () => {
  expect(matchRoute("POST", "/v1/packs/a/start")).toEqual({ route: "startPack", packId: "a" });
  expect(matchRoute("HEAD", "/v1/status")).toEqual({ route: "status", packId: "" });
  expect(matchRoute("POST", "/v1/status")).toEqual({ allowed: ["GET", "HEAD"] });
  expect(matchRoute("GET", "/v1/packs/a/start")).toEqual({ allowed: ["POST"] });
  expect(matchRoute("GET", "/v1/packs//start")).toBeUndefined();
  expect(matchRoute("GET", "/v1/packs/a/start/")).toBeUndefined();
});

/** Begins to follow; what it returns reads server-sent events until `count` have come, then goes. */
async function following(path: string, headers: Record<string, string> = {}) {
  const gone = new AbortController();
  const response = await ask("GET", path, { headers, signal: gone.signal });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  return async (count: number) => await readEvents(response, gone, count);
}

async function readEvents(response: Response, gone: AbortController, count: number): Promise<ApiEvent[]> {
  const events: ApiEvent[] = [];
  let text = "";
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    text += new TextDecoder().decode(chunk);
    for (;;) {
      const end = text.indexOf("\n\n");
      if (end === -1) break;
      const fields = new Map(
        text
          .slice(0, end)
          .split("\n")
          .map((line) => line.split(/: (.*)/s, 2) as [string, string]),
      );
      text = text.slice(end + 2);
      const data = fields.get("data");
      if (data === undefined) continue;
      const event = JSON.parse(data) as ApiEvent;
      expect([String(event.id), event.kind]).toEqual([fields.get("id") ?? "", fields.get("event") ?? ""]);
      events.push(event);
    }
    if (events.length >= count) break;
  }
  gone.abort();
  return events.slice(0, count);
}

test("events come as they happen, and a client that comes back misses none", async () => {
  const all = (await t.json(["events", "app", "-n", "1000"])).value as ApiEvent[];
  expect(await (await following("/v1/events?pack=app&after=0"))(all.length)).toEqual(all);
  const [first, second] = all as [ApiEvent, ApiEvent];
  const since = { "Last-Event-ID": String(first.id) };
  expect(await (await following("/v1/events?pack=app", since))(1)).toEqual([second]);

  await ask("POST", "/v1/packs/one/stop");
  const coming = await following("/v1/events?pack=one");
  await ask("POST", "/v1/packs/one/start");
  await ask("POST", "/v1/packs/one/stop");
  expect((await coming(2)).map(({ kind }) => kind)).toEqual(["started", "stopped"]);
});

test.skipIf(Bun.which("promtool") === null)(
  "promtool accepts the metrics (needs Debian's prometheus)",
  async () => {
    const text = await (await ask("GET", "/metrics")).text();
    expect(text).toContain('aurora_pack_up{pack="app"} 1\n');
    expect(text).toContain('aurora_pack_state{pack="app",state="running"} 1\n');
    const child = Bun.spawn(["promtool", "check", "metrics"], {
      stdin: Buffer.from(text),
      stdout: "pipe",
      stderr: "pipe",
    });
    expect([await child.stdout.text(), await child.stderr.text(), await child.exited]).toEqual(["", "", 0]);
  },
);

test.skipIf(Bun.which("curl") === null)("curl is enough of a client", async () => {
  const socket = `${t.home}/run/aurora.sock`;
  const child = Bun.spawn(["curl", "-sS", "--unix-socket", socket, "http://a/v1/packs/app"], {
    stdout: "pipe",
  });
  expect(JSON.parse(await child.stdout.text())).toMatchObject({ pack_id: "app" });
});
