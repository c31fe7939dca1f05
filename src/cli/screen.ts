import { ReadStream, WriteStream } from "node:tty";

import { type Screen } from "../commands/command.ts";
import { writeAll } from "./output.ts";

/** The alternate screen, no cursor, no line wrap; and back (xterm's control sequences, which every terminal of today has). */
const ENTER = "\u001b[?1049h\u001b[?25l\u001b[?7l";
const LEAVE = "\u001b[?7h\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const TO_LINE_END = "\u001b[K";
const TO_SCREEN_END = "\u001b[J";
/** A terminal that does not tell its size has this one. */
const DEFAULT_SIZE = { columns: 80, rows: 24 };

const namedKeys: Record<string, string> = {
  "\u001b[A": "up",
  "\u001bOA": "up",
  "\u001b[B": "down",
  "\u001bOB": "down",
  "\u001b[5~": "page-up",
  "\u001b[6~": "page-down",
  "\u001b[H": "home",
  "\u001b[F": "end",
  "\u001b": "escape",
  "\u0003": "interrupt",
  "\u0004": "interrupt",
};

/** Takes over the terminal. However the program ends, short of SIGKILL, the terminal is as it was before. */
export function openScreen(): Screen {
  // Only for the mode: once somebody listens to it, it keeps the program alive for good (Bun 1.4.5).
  const input = new ReadStream(0);
  const typed = Bun.file(0).stream().getReader();
  let size = readSize();
  const keys: string[] = [];
  let keyCame = Promise.withResolvers<void>();
  let sizeChanged = Promise.withResolvers<void>();
  let isOpen = true;

  const leave = () => {
    if (!isOpen) return;
    isOpen = false;
    input.setRawMode(false);
    writeAll(1, LEAVE);
  };
  const onResize = () => {
    size = readSize();
    sizeChanged.resolve();
    sizeChanged = Promise.withResolvers();
  };
  const readKeys = async () => {
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await typed.read();
      // A terminal that is gone is as good as a last key.
      keys.push(...(done ? ["interrupt"] : keysOf(decoder.decode(value, { stream: true }))));
      keyCame.resolve();
      keyCame = Promise.withResolvers();
      if (done) return;
    }
  };
  process.on("exit", leave);
  process.on("SIGWINCH", onResize);
  input.setRawMode(true);
  writeAll(1, ENTER);
  void readKeys();

  return {
    size: () => size,
    draw: (lines) => {
      const text = lines.map((line) => `${line}${TO_LINE_END}`).join("\r\n");
      if (isOpen) writeAll(1, `${HOME}${text}${TO_SCREEN_END}`);
    },
    nextKey: async () => {
      while (keys.length === 0) await keyCame.promise;
      return keys.shift() as string;
    },
    resized: () => sizeChanged.promise,
    [Symbol.dispose]() {
      leave();
      process.off("exit", leave);
      process.off("SIGWINCH", onResize);
      void typed.cancel();
    },
  };
}

/** A stream remembers the size of when it was made (Bun 1.4.5), so there is a new one for each question. */
function readSize(): { columns: number; rows: number } {
  const [columns = 0, rows = 0] = new WriteStream(1).getWindowSize();
  return columns > 0 && rows > 0 ? { columns, rows } : DEFAULT_SIZE;
}

/** What was typed, key by key: several may come in one piece. */
function keysOf(text: string): string[] {
  // eslint-disable-next-line no-control-regex -- terminals speak in these
  return (text.match(/\u001b(?:[[O][0-9;]*[A-Za-z~])?|[^\u001b]/g) ?? []).map((key) => namedKeys[key] ?? key);
}
