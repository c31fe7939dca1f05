import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** A line beyond this is shown cut, with a mark. */
export const MAX_SHOWN_LINE_BYTES = 64 * 1024;
const BLOCK_BYTES = 64 * 1024;
/** Lines that span no more than this are read at once; longer ones one by one, so that they cannot fill the memory. */
const MAX_SPAN_BYTES = 16 * 1024 ** 2;
const NEWLINE = 0x0a;

export type RawLine = { offset: number; text: string };
/** `end`: where to go on from. */
export type RawLines = { lines: RawLine[]; end: number };

/**
 * Lines of a file, the newest `limit` of them, which are found from its end without reading all of it.
 *
 * @param from where a line begins; what is before it is left out
 * @param withLast whether a last line that has no end counts; else it is left for the next time
 */
export function readLines(path: string, from: number, limit: number, withLast: boolean): RawLines {
  const descriptor = openSync(path, "r");
  try {
    const { size } = fstatSync(descriptor);
    const { starts, end } = findStarts(descriptor, from, size, limit, withLast);
    return { lines: textsAt(descriptor, starts, end), end };
  } finally {
    closeSync(descriptor);
  }
}

/** Where the last lines begin, oldest first, and where the last of them ends. */
function findStarts(descriptor: number, from: number, size: number, limit: number, withLast: boolean) {
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  const newlines: number[] = [];
  for (let end = size; end > from && newlines.length <= limit;) {
    const start = Math.max(from, end - BLOCK_BYTES);
    const length = readSync(descriptor, block, 0, end - start, start);
    for (let at = block.lastIndexOf(NEWLINE, length - 1); at !== -1 && at < length;) {
      newlines.push(start + at);
      if (newlines.length > limit || at === 0) break;
      at = block.lastIndexOf(NEWLINE, at - 1);
    }
    end = start;
  }
  const end = withLast ? size : (newlines[0] ?? from - 1) + 1;
  const starts = newlines.map((at) => at + 1).filter((start) => start < end);
  // Before the oldest newline that was looked for there may be one more line, up to where the search began.
  if (newlines.length <= limit && end > from) starts.push(from);
  return { starts: starts.toReversed().slice(-limit), end };
}

function textsAt(descriptor: number, starts: readonly number[], end: number): RawLine[] {
  const [first] = starts;
  if (first === undefined) return [];
  const span = end - first;
  const all = span <= MAX_SPAN_BYTES ? Buffer.allocUnsafe(span) : undefined;
  if (all) readSync(descriptor, all, 0, span, first);
  const decoder = new TextDecoder();
  return starts.map((offset, index) => {
    const next = starts[index + 1] ?? end;
    const length = Math.min(next - offset, MAX_SHOWN_LINE_BYTES + 2);
    let line = all?.subarray(offset - first, offset - first + length);
    if (!line) {
      line = Buffer.allocUnsafe(length);
      readSync(descriptor, line, 0, length, offset);
    }
    const isWhole = length === next - offset && line.at(-1) === NEWLINE;
    return { offset, text: textOf(isWhole ? line.subarray(0, -1) : line, decoder) };
  });
}

function textOf(line: Buffer, decoder: TextDecoder): string {
  if (line.length <= MAX_SHOWN_LINE_BYTES) return decoder.decode(line);
  return `${decoder.decode(line.subarray(0, MAX_SHOWN_LINE_BYTES))}…`;
}
