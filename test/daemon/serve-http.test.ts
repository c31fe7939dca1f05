import { expect, test } from "bun:test";
import { chmodSync, existsSync, statSync } from "node:fs";

import { HTTP_LIMITS, type HttpLimits } from "../../src/daemon/http/limits.ts";
import { type HttpHandler, HttpServer } from "../../src/daemon/http/serve-http.ts";
import { asOrdinaryUser, scratch } from "../support/aurora.ts";

type Client = {
  send: (text: string) => void;
  /** All that came, when the server has closed the connection. */
  closed: Promise<string>;
  /** Resolves when what came contains `text`. */
  sees: (text: string) => Promise<void>;
  /** Says that no more comes, and listens on. */
  finish: () => void;
  end: () => void;
};

function server(
  limits: Partial<HttpLimits> = {},
  handle: HttpHandler = async () => ({ status: 200, body: "ok" }),
) {
  const directory = scratch();
  const path = `${directory.path}/a.sock`;
  const bugs: unknown[] = [];
  const http = new HttpServer({
    path,
    limits: { ...HTTP_LIMITS, ...limits },
    isAllowed: ({ uid }) => uid === process.getuid?.(),
    handle,
    errorBody: (status, message) => `${status}: ${message}`,
    onBug: (thrown) => bugs.push(thrown),
  });
  return {
    path,
    http,
    bugs,
    async [Symbol.asyncDispose]() {
      await http[Symbol.asyncDispose]();
      directory[Symbol.dispose]();
    },
  };
}

async function client(path: string): Promise<Client> {
  let text = "";
  const closed = Promise.withResolvers<string>();
  const waiting: { wanted: string; resolve: () => void }[] = [];
  const socket = await Bun.connect({
    unix: path,
    // Its end closes one side only.
    allowHalfOpen: true,
    socket: {
      data(_socket, chunk) {
        text += Buffer.from(chunk).toString();
        for (const { wanted, resolve } of waiting) if (text.includes(wanted)) resolve();
      },
      end: (ended) => void ended.end(),
      close: () => closed.resolve(text),
      error: () => closed.resolve(text),
    },
  });
  return {
    send: (what) => void socket.write(what),
    closed: closed.promise,
    sees: (wanted) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ wanted, resolve });
      if (text.includes(wanted)) resolve();
      return promise;
    },
    finish: () => socket.shutdown(),
    end: () => socket.end(),
  };
}

/** Long enough for a client on a busy machine to say what it wants. */
const PATIENT_MS = 500;
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

test("the socket is its owner's alone, is used again and again on one connection, and is gone at the end", async () => {
  const s = server();
  expect(statSync(s.path).mode & 0o777).toBe(0o600);
  const c = await client(s.path);
  c.send(`${GET}${GET}`);
  c.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: no-store\r\n\r\nok";
  const last =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\nCache-Control: no-store\r\n\r\nok";
  expect(await c.closed).toBe(`${answer}${answer}${last}`);
  expect(s.http.counts).toEqual({ clients: 0, streams: 0, requests: 3 });
  await s[Symbol.asyncDispose]();
  expect(existsSync(s.path)).toBe(false);
});

test("HEAD has the length and no body", async () => {
  await using s = server();
  const c = await client(s.path);
  c.send("HEAD / HTTP/1.0\r\n\r\n");
  expect(await c.closed).toEndWith(
    "Content-Length: 2\r\nConnection: close\r\nCache-Control: no-store\r\n\r\n",
  );
});

test("HEAD of a stream has the headers, and nothing after them", async () => {
  await using s = server({}, async () => ({
    status: 200,
    stream: async ({ write }) => write("begun"),
  }));
  const c = await client(s.path);
  c.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  expect(await c.closed).toBe("HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-store\r\n\r\n");
});

test("a malformed request is answered and ends the connection", async () => {
  await using s = server();
  const c = await client(s.path);
  c.send("hello\r\n\r\n");
  expect(await c.closed).toStartWith("HTTP/1.1 400 Bad Request\r\n");
});

test("a body that is announced too large is refused before it comes", async () => {
  await using s = server();
  const c = await client(s.path);
  c.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${HTTP_LIMITS.bodyBytes + 1}\r\n\r\n`);
  expect(await c.closed).toStartWith("HTTP/1.1 413 Content Too Large\r\n");
});

test("who sends too slowly is told so", async () => {
  await using s = server({ requestMs: PATIENT_MS });
  const c = await client(s.path);
  c.send("GET / HTTP/1.1\r\nHo");
  expect(await c.closed).toStartWith("HTTP/1.1 408 Request Timeout\r\n");
});

test("who says nothing, before a request or after one, is let go", async () => {
  await using s = server({ requestMs: PATIENT_MS, idleMs: PATIENT_MS });
  const silent = await client(s.path);
  const idle = await client(s.path);
  idle.send(GET);
  expect(await silent.closed).toBe("");
  expect(await idle.closed).toEndWith("\r\n\r\nok");
});

test("who does not take the answer is let go, and stalls nobody", async () => {
  const large = "x".repeat(8 * 1024 ** 2);
  await using s = server({ writeMs: 50 }, async ({ path }) => ({
    status: 200,
    body: path === "/large" ? large : "ok",
  }));
  const gone = Promise.withResolvers<void>();
  const deaf = await Bun.connect({ unix: s.path, socket: { data() {}, close: () => gone.resolve() } });
  deaf.pause();
  deaf.write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  const other = await client(s.path);
  other.send("GET / HTTP/1.0\r\n\r\n");
  expect(await other.closed).toEndWith("ok");
  while (s.http.counts.clients > 0) await Bun.sleep(5);
  deaf.resume();
  await gone.promise;
});

test("a stream whose client falls behind is let go; one that listens gets all of it", async () => {
  const line = "x".repeat(1024);
  const behind = Promise.withResolvers<void>();
  await using s = server({ streamBytes: 64 * 1024 }, async () => ({
    status: 200,
    stream: async ({ write, signal }) => {
      signal.addEventListener("abort", () => behind.resolve());
      for (let i = 0; i < 2000 && !signal.aborted; i++) write(line);
      write("end");
    },
  }));
  const deaf = await Bun.connect({ unix: s.path, socket: { data() {} } });
  deaf.pause();
  deaf.write(GET);
  await behind.promise;
  deaf.terminate();
});

test("a stream ends when its client goes", async () => {
  const gone = Promise.withResolvers<void>();
  await using s = server({}, async () => ({
    status: 200,
    stream: async ({ write, signal }) => {
      write("hello");
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve());
      });
      gone.resolve();
    },
  }));
  const c = await client(s.path);
  c.send(GET);
  await c.sees("hello");
  expect(s.http.counts.streams).toBe(1);
  c.end();
  await gone.promise;
});

test("more streams than allowed are refused", async () => {
  await using s = server({ streams: 1 }, async () => ({
    status: 200,
    stream: async ({ write, signal }) => {
      write("hello");
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve());
      });
    },
  }));
  const first = await client(s.path);
  first.send(GET);
  await first.sees("hello");
  const second = await client(s.path);
  second.send(GET);
  expect(await second.closed).toStartWith("HTTP/1.1 503 Service Unavailable\r\n");
});

test("thousands of silent clients neither stall nor fill it", async () => {
  await using s = server();
  const silent: Client[] = [];
  for (let i = 0; i < 3000; i++) silent.push(await client(s.path));
  const c = await client(s.path);
  c.send("GET / HTTP/1.0\r\n\r\n");
  expect(await c.closed).toEndWith("\r\n\r\nok");
  expect(s.http.counts.clients).toBeLessThanOrEqual(HTTP_LIMITS.clients);
  for (const one of silent) one.end();
}, 60_000);

test("when all clients are being answered, one more is refused", async () => {
  const go = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await using s = server({ clients: 1 }, async () => {
    begun.resolve();
    await go.promise;
    return { status: 200, body: "ok" };
  });
  const first = await client(s.path);
  first.send("GET / HTTP/1.0\r\n\r\n");
  await begun.promise;
  const second = await client(s.path);
  second.send(GET);
  expect(await second.closed).toStartWith("HTTP/1.1 503 Service Unavailable\r\n");
  go.resolve();
  expect(await first.closed).toEndWith("ok");
});

test("a bug in a handler is noted, and the next request is answered", async () => {
  const bug = new Error("bug");
  await using s = server({}, async ({ path }) => {
    if (path === "/bug") throw bug;
    return { status: 200, body: "ok" };
  });
  const c = await client(s.path);
  c.send("GET /bug HTTP/1.1\r\nHost: a\r\n\r\n");
  c.send("GET / HTTP/1.0\r\n\r\n");
  const text = await c.closed;
  expect(text).toStartWith("HTTP/1.1 500 Internal Server Error\r\n");
  expect(text).toEndWith("ok");
  expect(s.bugs).toEqual([bug]);
});

test("who is being answered when it closes still gets the answer", async () => {
  const begun = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  await using s = server({}, async () => {
    begun.resolve();
    await go.promise;
    return { status: 200, body: "ok" };
  });
  const c = await client(s.path);
  c.send(GET);
  await begun.promise;
  const closing = s.http[Symbol.asyncDispose]();
  go.resolve();
  await closing;
  expect(await c.closed).toEndWith("ok");
});

test("a client that has said all and closed its side still hears the answer", async () => {
  await using s = server({}, async () => {
    await Bun.sleep(0);
    return { status: 200, body: "ok" };
  });
  const c = await client(s.path);
  c.send(GET);
  c.finish();
  expect(await c.closed).toEndWith("ok");
});

test.skipIf(asOrdinaryUser.length === 0)(
  "another user is refused, even where the files let him in (needs root)",
  async () => {
    await using s = server();
    chmodSync(s.path, 0o666);
    chmodSync(s.path.replace("/a.sock", ""), 0o755);
    const ask = [...asOrdinaryUser, "curl", "-s", "-i", "--unix-socket", s.path, "http://a/"];
    const child = Bun.spawn(ask, { stdout: "pipe" });
    expect(await child.stdout.text()).toStartWith("HTTP/1.1 403 Forbidden\r\n");
  },
);
