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
import { join } from "node:path";

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
const options = { timeoutMs: TIMEOUT_MS, isChange: false };

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
    call: (n: unknown) => callChannel(directory, { operation: "ns get", params: { n } }, options),
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
  const call = () => callChannel(directory, { operation: "ns get", params: {} }, options);
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

describe("whoever serves it is killed, and the next one is there before the caller looks again", () => {
  /** Another process that serves the channel and never answers, the next to serve it in this one, and what both were asked. */
  async function twoServers() {
    const place = scratch();
    const directory = `${place.path}/channel`;
    const script = join(import.meta.dir, "silent-server.ts");
    const child = Bun.spawn([process.execPath, script, directory], { stdout: "pipe", stderr: "inherit" });
    const lines = new LineReader(child.stdout);
    expect(await lines.next()).toBe("serves");
    const asked: string[] = [];
    let next: AsyncDisposable | undefined;
    return {
      child,
      lines,
      asked,
      call: (operation: string, isChange: boolean) =>
        callChannel(directory, { operation, params: {} }, { ...options, isChange }).catch(
          (error: AuroraError) => error,
        ),
      /** What it is asked then waits in the FIFO. */
      stop() {
        child.kill("SIGSTOP");
        while (!readFileSync(`/proc/${child.pid}/stat`, "latin1").includes(") T ")) Bun.sleepSync(1);
      },
      /** Without a turn of the event loop between the end of the one and the other. */
      replace() {
        child.kill("SIGKILL");
        while (isRead(`${directory}/requests`)) Bun.sleepSync(1);
        next = serveChannel({
          directory,
          answers: {
            answer: ({ operation }) => {
              asked.push(operation);
              return Promise.resolve({ ok: true, result: "from the next" });
            },
          },
        });
      },
      async [Symbol.asyncDispose]() {
        child.kill("SIGKILL");
        await next?.[Symbol.asyncDispose]();
        place[Symbol.dispose]();
      },
    };
  }

  test("a change that it had begun may have been made: that is said at once, and it is not asked for again", async () => {
    await using t = await twoServers();
    const answer = t.call("ns register", true);
    expect(await t.lines.next()).toBe("ns register");
    t.replace();
    expect(await answer).toMatchObject({
      code: "unknown-outcome",
      exitCode: 1,
      message: "cannot say whether ns register was done: whoever was asked has ended without an answer",
      hint: "look whether it was, and ask again where it was not",
    });
    expect(t.asked).toEqual([]);
  });

  test("what changes nothing is asked of the next one", async () => {
    await using t = await twoServers();
    const answer = t.call("ns get", false);
    expect(await t.lines.next()).toBe("ns get");
    t.replace();
    expect(await answer).toBe("from the next");
    expect(t.asked).toEqual(["ns get"]);
  });

  test("a change that it had not heard of is made once, by the next one", async () => {
    await using t = await twoServers();
    t.stop();
    // It is written to the FIFO before the call returns.
    const answer = t.call("ns register", true);
    t.replace();
    expect(await answer).toBe("from the next");
    expect(t.asked).toEqual(["ns register"]);
    expect(await t.lines.next()).toBeUndefined();
  });

  test("nor is one lost that it has read and not begun, since it was at work for as many as it answers at once", async () => {
    await using t = await twoServers();
    t.stop();
    const answers = Array.from({ length: 17 }, () => t.call("ns register", true));
    t.child.kill("SIGCONT");
    for (let begun = 0; begun < 16; begun++) expect(await t.lines.next()).toBe("ns register");
    t.replace();
    const [last, ...others] = (await Promise.all(answers)).toReversed();
    expect(last).toBe("from the next");
    expect(others).toMatchObject(others.map(() => ({ code: "unknown-outcome" })));
    expect(t.asked).toEqual(["ns register"]);
  });

  test("where there is no next one, a change may have been made all the same, and all else was not", async () => {
    await using t = await twoServers();
    const answers = [t.call("ns register", true), t.call("ns get", false)];
    expect([await t.lines.next(), await t.lines.next()]).toEqual(["ns register", "ns get"]);
    t.child.kill("SIGKILL");
    expect(await Promise.all(answers)).toMatchObject([
      { code: "unknown-outcome" },
      { code: "not-supported" },
    ]);
  });
});

/** Whether anybody has a FIFO open for reading. */
function isRead(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: "ENXIO" });
    return false;
  }
}

/** The lines of a stream, one after another; undefined at its end. */
class LineReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #text = "";

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  async next(): Promise<string | undefined> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return line;
      }
      const { done, value } = await this.#chunks.next();
      if (done === true) return undefined;
      this.#text += new TextDecoder().decode(value);
    }
  }
}

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
    expect(await callChannel(directory, { operation: "x", params: {} }, options)).toBe(1);
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
    expect(await callChannel(`${place.path}/channel`, { operation: "x", params: {} }, options)).toBe(1);
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
