/** The way back in: what a hostile pack can do to whoever serves its channel. */
import { describe, expect, test } from "bun:test";
import {
  closeSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";

import { type AuroraError } from "../../../src/errors.ts";
import { callChannel } from "../../../src/lifecycle/channel/call-channel.ts";
import {
  type ChannelRequest,
  MAX_REQUEST_BYTES,
  parseRequest,
} from "../../../src/lifecycle/channel/protocol.ts";
import { serveChannel } from "../../../src/lifecycle/channel/serve-channel.ts";
import { makeFifo } from "../../../src/system/fifo.ts";
import { scratch } from "../../support/aurora.ts";

const TIMEOUT_MS = 30_000;

/** A channel that answers with the request itself, and notes what it was asked. */
function served() {
  const place = scratch();
  const directory = `${place.path}/channel`;
  const asked: ChannelRequest[] = [];
  const channel = serveChannel({
    directory,
    answers: {
      answer: async (request) => {
        asked.push(request);
        return { ok: true, result: request.params["n"] ?? null };
      },
    },
  });
  return {
    directory,
    outside: place.path,
    asked,
    call: (n: unknown) => callChannel(directory, { operation: "ns get", params: { n } }, TIMEOUT_MS),
    [Symbol.asyncDispose]: async () => {
      await channel[Symbol.asyncDispose]();
      place[Symbol.dispose]();
    },
  };
}

/** Writes to the request FIFO what a pack may write there. */
function send(directory: string, text: string): void {
  const descriptor = openSync(`${directory}/requests`, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    writeSync(descriptor, text);
  } finally {
    closeSync(descriptor);
  }
}

const id = (digit: string) => digit.repeat(32);

test("many callers at once, each gets its own answer, and nothing is left", async () => {
  await using t = served();
  const numbers = Array.from({ length: 300 }, (_, n) => n);
  expect(await Promise.all(numbers.map((n) => t.call(n)))).toEqual(numbers);
  expect(readdirSync(t.directory)).toEqual(["requests"]);
});

test("an answer of any length arrives whole", async () => {
  await using t = served();
  const text = "ü".repeat(200_000);
  expect(await t.call(text)).toBe(text);
});

test("the text of an error comes through; without anybody who serves, the call fails at once", async () => {
  using place = scratch();
  const directory = `${place.path}/channel`;
  const call = () => callChannel(directory, { operation: "ns get", params: {} }, TIMEOUT_MS);
  expect(await call().catch((error: AuroraError) => error)).toMatchObject({ code: "not-supported" });
  {
    await using _channel = serveChannel({
      directory,
      answers: {
        answer: () =>
          Promise.resolve({
            ok: false,
            error: { code: "conflict", message: "it is another", hint: "look again" },
          }),
      },
    });
    expect(await call().catch((error: AuroraError) => error)).toMatchObject({
      code: "conflict",
      message: "it is another",
      hint: "look again",
    });
  }
  expect(await call().catch((error: AuroraError) => error)).toMatchObject({ code: "not-supported" });
  expect(readdirSync(directory)).toEqual(["requests"]);
});

describe("a hostile pack", () => {
  test("half a line, and lines of rubbish, keep nobody else from being heard", async () => {
    await using t = served();
    send(t.directory, id("a").slice(0, 20));
    expect(await t.call(1)).toBe(1);
    send(t.directory, `${"x".repeat(5000)}\n\0\0\n${id("g")}\n../../etc/passwd\n${id("A")}\n`);
    expect(await t.call(2)).toBe(2);
    expect(t.asked).toHaveLength(2);
  });

  test("a flood is read at leisure, and an honest call gets through", async () => {
    await using t = served();
    const flood = openSync(`${t.directory}/requests`, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      for (let round = 0; round < 20; round++) {
        try {
          writeSync(flood, `${id("0")}\n`.repeat(1000));
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: "EAGAIN" });
        }
        await Bun.sleep(1);
      }
    } finally {
      closeSync(flood);
    }
    expect(await t.call(3)).toBe(3);
  });

  test("a request that nobody waits for is not done", async () => {
    await using t = served();
    writeFileSync(`${t.directory}/${id("b")}.request`, '{"operation":"ns get","params":{}}');
    send(t.directory, `\n${id("b")}\n`);
    makeFifo(`${t.directory}/${id("c")}.reply`, 0o600);
    writeFileSync(`${t.directory}/${id("c")}.request`, '{"operation":"ns get","params":{}}');
    send(t.directory, `\n${id("c")}\n`);
    expect(await t.call(4)).toBe(4);
    expect(t.asked).toHaveLength(1);
  });

  test.each<[string, (path: string, outside: string) => void]>([
    ["a link to a file outside", (path, outside) => symlinkSync(`${outside}/victim`, path)],
    ["a second name of a file outside", (path, outside) => linkSync(`${outside}/victim`, path)],
    ["a file", (path) => writeFileSync(path, "was here")],
    ["a directory", (path) => mkdirSync(path)],
  ])("an answer into %s is not written", async (_name, make) => {
    await using t = served();
    writeFileSync(`${t.outside}/victim`, "as it was");
    make(`${t.directory}/${id("d")}.reply`, t.outside);
    writeFileSync(`${t.directory}/${id("d")}.request`, '{"operation":"ns get","params":{}}');
    send(t.directory, `\n${id("d")}\n`);
    expect(await t.call(5)).toBe(5);
    expect(t.asked).toHaveLength(1);
    expect(readFileSync(`${t.outside}/victim`, "utf8")).toBe("as it was");
  });

  test.each<[string, (path: string, outside: string) => void]>([
    ["a link", (path, outside) => symlinkSync(`${outside}/secret`, path)],
    ["a second name", (path, outside) => linkSync(`${outside}/secret`, path)],
    ["a FIFO", (path) => makeFifo(path, 0o600)],
    ["a directory", (path) => mkdirSync(path)],
    ["nothing", () => {}],
    ["a file that is too large", (path) => writeFileSync(path, " ".repeat(MAX_REQUEST_BYTES + 1))],
    ["no JSON", (path) => writeFileSync(path, "{")],
  ])("a request in %s is refused and not read", async (_name, make) => {
    await using t = served();
    writeFileSync(`${t.outside}/secret`, '{"operation":"ns get","params":{"n":"secret"}}');
    makeFifo(`${t.directory}/${id("e")}.reply`, 0o600);
    const reply = openSync(`${t.directory}/${id("e")}.reply`, constants.O_RDWR | constants.O_NONBLOCK);
    make(`${t.directory}/${id("e")}.request`, t.outside);
    send(t.directory, `\n${id("e")}\n`);
    expect(await t.call(6)).toBe(6);
    expect(t.asked).toHaveLength(1);
    const answer = Buffer.alloc(1000);
    expect(answer.toString("utf8", 0, readSync(reply, answer))).toBe(
      '{"ok":false,"error":{"code":"usage","message":"cannot read the request","hint":null}}\n',
    );
    closeSync(reply);
  });

  test("it may remove, rename and replace what it likes: that harms itself only", async () => {
    await using t = served();
    rmSync(`${t.directory}/requests`);
    symlinkSync("/dev/null", `${t.directory}/requests`);
    renameSync(t.directory, `${t.directory}.away`);
    mkdirSync(t.directory);
    expect(await t.call(7).catch((error: AuroraError) => error)).toMatchObject({ code: "not-supported" });
    expect(t.asked).toEqual([]);
  });

  test.each([
    ["a link", (path: string, elsewhere: string) => symlinkSync(elsewhere, path)],
    ["a file", (path: string) => writeFileSync(path, "")],
    ["a FIFO", (path: string) => makeFifo(path, 0o600)],
  ])("%s in the place of the channel is replaced by the next to serve it", async (_name, make) => {
    using place = scratch();
    const [directory, elsewhere] = [`${place.path}/channel`, `${place.path}/elsewhere`];
    mkdirSync(elsewhere);
    make(directory, elsewhere);
    await using _channel = serveChannel({
      directory,
      answers: { answer: () => Promise.resolve({ ok: true, result: 1 }) },
    });
    expect(await callChannel(directory, { operation: "x", params: {} }, TIMEOUT_MS)).toBe(1);
    expect(readdirSync(elsewhere)).toEqual([]);
  });

  test("what stands in the place of the FIFO is replaced by the next to serve it", async () => {
    using place = scratch();
    mkdirSync(`${place.path}/channel`);
    writeFileSync(`${place.path}/victim`, "as it was");
    symlinkSync(`${place.path}/victim`, `${place.path}/channel/requests`);
    await using _channel = serveChannel({
      directory: `${place.path}/channel`,
      answers: { answer: () => Promise.resolve({ ok: true, result: 1 }) },
    });
    expect(await callChannel(`${place.path}/channel`, { operation: "x", params: {} }, TIMEOUT_MS)).toBe(1);
    expect(readFileSync(`${place.path}/victim`, "utf8")).toBe("as it was");
  });
});

test.each([
  "",
  "null",
  "[]",
  '"x"',
  '{"operation":1,"params":{}}',
  '{"operation":"x"}',
  '{"operation":"x","params":[]}',
  "\xff",
])("no request: %j", (text) => expect(parseRequest(Buffer.from(text, "latin1"))).toBeUndefined());
