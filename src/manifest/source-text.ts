import { AuroraError, type SourcePosition } from "../errors.ts";

/** Longer lines are cut around the place before they go into an error. */
const MAX_LINE_SHOWN = 1024;

/** A fault of the text between two offsets. */
export type Fault = { message: string; start: number; end: number; hint?: string | undefined };

/** The text of a manifest, and how its offsets become lines and columns. */
export type SourceText = {
  file: string;
  text: string;
  /** The place of the text from `start` up to `end`; the caret ends with the line. */
  place: (start: number, end: number) => SourcePosition;
};

/**
 * Decodes a manifest. A byte order mark is dropped, because editors on Windows write one and YAML and JSON readers may
 * take it.
 *
 * @throws {AuroraError} `manifest-syntax` for bytes that are no UTF-8, and for control characters
 */
export function sourceText(bytes: Uint8Array, file: string): SourceText {
  const badAt = firstBadByte(bytes);
  const good = badAt === undefined ? bytes : bytes.subarray(0, badAt);
  const text = new TextDecoder("utf-8").decode(good);
  const source: SourceText = { file, text, place: (start, end) => placeIn(file, text, start, end) };
  if (badAt !== undefined) {
    const byte = (bytes[badAt] as number).toString(16).padStart(2, "0");
    const isUtf16 = bytes[0] === 0xff || bytes[0] === 0xfe || bytes.subarray(0, 4).includes(0);
    const message = `the byte 0x${byte} is no UTF-8`;
    refuse(source, {
      message,
      start: text.length,
      end: text.length,
      hint: isUtf16 ? "it looks like UTF-16: save the file as UTF-8" : "save the file as UTF-8",
    });
  }
  const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.exec(text);
  if (control) {
    const code = control[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
    const start = control.index;
    refuse(source, { message: `the control character U+${code} may not stand here`, start, end: start + 1 });
  }
  return source;
}

function refuse(source: SourceText, { message, start, end, hint }: Fault): never {
  throw new AuroraError(
    "manifest-syntax",
    `cannot read the manifest "${source.file}": it is not plain text`,
    {
      diagnostics: [{ message, source: source.place(start, end), ...(hint === undefined ? {} : { hint }) }],
    },
  );
}

/** The index of the first byte that is no UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF). */
function firstBadByte(bytes: Uint8Array): number | undefined {
  const first = (index: number) => bytes[index] ?? 0;
  const continues = (index: number) => (first(index) & 0xc0) === 0x80;
  for (let i = 0; i < bytes.length;) {
    const lead = first(i);
    const next = first(i + 1);
    let length = 1;
    if (lead >= 0x80) {
      if (lead >= 0xc2 && lead <= 0xdf) length = 2;
      else if (lead >= 0xe0 && lead <= 0xef) length = 3;
      else if (lead >= 0xf0 && lead <= 0xf4) length = 4;
      else return i;
      if (lead === 0xe0 && next < 0xa0) return i;
      if (lead === 0xed && next > 0x9f) return i;
      if (lead === 0xf0 && next < 0x90) return i;
      if (lead === 0xf4 && next > 0x8f) return i;
      for (let offset = 1; offset < length; offset++) if (!continues(i + offset)) return i;
    }
    i += length;
  }
  return undefined;
}

function placeIn(file: string, text: string, start: number, end: number): SourcePosition {
  // The end of the text, after its last newline, is shown at the end of the last line that holds something.
  let from = Math.min(start, text.length);
  if (from === text.length) from = text.trimEnd().length;
  const lineStart = text.lastIndexOf("\n", from - 1) + 1;
  const newline = text.indexOf("\n", from);
  const lineEnd = newline === -1 ? text.length : newline;
  const line = text.slice(lineStart, lineEnd).replace(/\r$/, "");
  const column = Math.min(from - lineStart, line.length) + 1;
  const length = Math.max(1, Math.min(end - from, line.length - column + 1));
  const shown =
    line.length > MAX_LINE_SHOWN && column < MAX_LINE_SHOWN ? line.slice(0, 2 * MAX_LINE_SHOWN) : line;
  return { file, line: countLines(text, lineStart), column, length, text: shown };
}

function countLines(text: string, end: number): number {
  let count = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < end; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
