import { AuroraError, type SourcePosition } from "../errors.ts";

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
  let lines: number[] | undefined;
  const source: SourceText = {
    file,
    text,
    place: (start, end) => placeIn(file, text, (lines ??= lineStarts(text)), start, end),
  };
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

function placeIn(
  file: string,
  text: string,
  starts: readonly number[],
  start: number,
  end: number,
): SourcePosition {
  // The end of the text, after its last newline, is shown at the end of the last line that holds something.
  const from = start < text.length ? start : text.trimEnd().length;
  const index = lineAt(starts, from);
  const lineStart = starts[index] as number;
  const line = text.slice(lineStart, (starts[index + 1] ?? text.length + 1) - 1).replace(/\r$/, "");
  const column = Math.min(from - lineStart, line.length) + 1;
  const length = Math.max(1, Math.min(end - from, line.length - column + 1));
  return { file, line: index + 1, column, length, text: line };
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** The index of the last line that begins at or before an offset. */
function lineAt(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((starts[middle] as number) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}
