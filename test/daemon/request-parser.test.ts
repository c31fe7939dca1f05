import { describe, expect, test } from "bun:test";

import { RequestError, RequestParser } from "../../src/daemon/http/request-parser.ts";

const limits = { headerBytes: 200, bodyBytes: 20 };
const get = "GET /v1/status?pack=a&pack=b HTTP/1.1\r\nHost: a\r\n";

function parse(text: string, chunkBytes = text.length) {
  const parser = new RequestParser(limits);
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0; at < bytes.length; at += chunkBytes) parser.push(bytes.subarray(at, at + chunkBytes));
  return parser;
}

function statusOf(text: string): number | undefined {
  try {
    return parse(text).next() === undefined ? undefined : 200;
  } catch (thrown) {
    if (thrown instanceof RequestError) return thrown.status;
    throw thrown;
  }
}

test.each([1, 2, 7, 1000])("a request is read from chunks of %d bytes", (chunkBytes) => {
  const parser = new RequestParser(limits);
  const bytes = Buffer.from(
    `POST /v1/x%20y HTTP/1.1\r\nhost: a\r\nContent-Length: 5\r\nX-A: 1\r\nx-a:2\r\n\r\nhello`,
  );
  let request: ReturnType<typeof parser.next>;
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    expect(request).toBeUndefined();
    parser.push(bytes.subarray(at, at + chunkBytes));
    request = parser.next();
  }
  expect(request).toMatchObject({ method: "POST", path: "/v1/x y", keepAlive: true });
  expect(request?.headers.get("x-a")).toBe("1, 2");
  expect(Buffer.from(request?.body ?? []).toString()).toBe("hello");
  expect(parser.isPartial).toBe(false);
});

test("requests that come together are read one after the other", () => {
  const parser = parse(`${get}\r\n${get}Connection: close\r\n\r\n`);
  expect(parser.next()?.query.getAll("pack")).toEqual(["a", "b"]);
  expect(parser.next()?.keepAlive).toBe(false);
  expect(parser.next()).toBeUndefined();
});

test.each([
  ["HTTP/1.0 ends the connection", "GET / HTTP/1.0\r\n\r\n", false],
  ["HTTP/1.0 may ask to stay", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true],
])("%s", (_name, text, keepAlive) => {
  expect(parse(text).next()?.keepAlive).toBe(keepAlive);
});

describe("what is refused", () => {
  const cases: [name: string, text: string, status: number | undefined][] = [
    ["nothing yet", "", undefined],
    ["half a request", "GET / HTTP/1.1\r\nHost: a\r\n", undefined],
    ["no request at all", "hello\r\n\r\n", 400],
    ["a TLS client", "\u0016\u0003\u0001\u0002\r\n\r\n", 400],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    ["an absolute target", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["a bare line feed in a header", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400],
    ["a folded header", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400],
    ["a blank before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400],
    ["a NUL in a header", "GET / HTTP/1.1\r\nHost: a\u0000\r\n\r\n", 400],
    ["no host", "GET / HTTP/1.1\r\n\r\n", 400],
    ["two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400],
    ["a path that is no UTF-8", "GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["a length that is no number", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400],
    ["two lengths", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400],
    ["chunks", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 501],
    ["a body at the limit", `GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n${"x".repeat(20)}`, 200],
    ["a body over the limit", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\n", 413],
    ["headers over the limit", `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(200)}\r\n\r\n`, 431],
    ["headers without an end", `GET / HTTP/1.1\r\nX: ${"x".repeat(200)}`, 431],
    ["a line without an end", "x".repeat(201), 431],
  ];
  test.each(cases)("%s", (_name, text, status) => {
    expect(statusOf(text)).toBe(status);
  });
});

test("random bytes are refused or waited for, never a crash", () => {
  let seed = 7;
  const random = () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
  const words = [
    "GET ",
    "/",
    " HTTP/1.1",
    "\r\n",
    "\r\n\r\n",
    "Host: a",
    "Content-Length: 3",
    ":",
    "\0",
    "é",
    " ",
  ];
  for (let round = 0; round < 20_000; round++) {
    const text = Array.from({ length: 8 }, () => words[Math.floor(random() * words.length)]).join("");
    expect([undefined, 200, 400, 413, 431, 501]).toContain(statusOf(text));
  }
});
