/** Bytes that reached the disk; without data, a range that reads as zero from then on. */
export type BlockWrite = { offset: number; length: number; data: Buffer | undefined };

/** What a command made a disk do. */
export type BlockTrace = {
  /** Before the command: on the disk for certain. */
  before: BlockWrite[];
  /** The command's own writes; between two of them a flush was asked for and answered. */
  epochs: BlockWrite[][];
};

/** What may be on the disk after a power cut: all epochs before `epoch`, and of it the writes that are named. */
export type BlockState = {
  epoch: number;
  writes: number[];
  /** The last write that is named is only half there. */
  isTorn: boolean;
  /** Whether the command had ended, and so what it said must be true. */
  isAfterEnd: boolean;
  label: string;
};

const HEAD_BYTES = 17;
/** Of an epoch with more writes than this only so many prefixes and lost writes are tried, spread evenly. */
const MAX_OF_EACH = 6;
const SUBSETS = 2;

/**
 * Reads what block-log.c has recorded.
 *
 * @param begin where the record was when the command began
 * @param end and when it had ended: what came later is of nobody's concern
 */
export function readBlockTrace(record: Buffer, begin: number, end: number): BlockTrace {
  const before: BlockWrite[] = [];
  const epochs: BlockWrite[][] = [[]];
  for (let at = 0; at < end;) {
    const kind = String.fromCodePoint(record[at] ?? 0);
    const offset = Number(record.readBigUInt64LE(at + 1));
    const length = Number(record.readBigUInt64LE(at + 9));
    const isCommands = at >= begin;
    at += HEAD_BYTES;
    if (kind === "F") {
      if (isCommands && (epochs.at(-1)?.length ?? 0) > 0) epochs.push([]);
      continue;
    }
    const data = kind === "W" ? record.subarray(at, at + length) : undefined;
    if (data) at += length;
    (isCommands ? (epochs.at(-1) as BlockWrite[]) : before).push({ offset, length, data });
  }
  return { before, epochs };
}

/**
 * The disks that a power cut may leave: at each flush, and between two flushes any part of what was written since the first,
 * in any order, since a disk writes its cache as it likes. Of these: every beginning, every single write lost, the last one
 * torn, and some parts by lot.
 */
export function blockStates({ epochs }: BlockTrace, random: () => number): BlockState[] {
  const states: BlockState[] = [];
  for (const [epoch, writes] of epochs.entries()) {
    const all = writes.map((_, index) => index);
    const isLast = epoch === epochs.length - 1;
    const add = (some: number[], what: string, isTorn = false) =>
      states.push({ epoch, writes: some, isTorn, isAfterEnd: false, label: `flush ${epoch}, ${what}` });
    add([], "nothing after it");
    for (const count of evenly(all.slice(1))) {
      add(all.slice(0, count), `the first ${count} of ${all.length} writes`);
      add(all.slice(0, count), `the first ${count} of ${all.length} writes, the last torn`, true);
    }
    for (const lost of evenly(all)) add(all.toSpliced(lost, 1), `all writes but number ${lost + 1}`);
    if (all.length > 2)
      for (let subset = 0; subset < SUBSETS; subset++)
        add(
          all.filter(() => random() < 0.5),
          `some of ${all.length} writes`,
        );
    if (!isLast) continue;
    add(all, "all that was written");
    states.push({ epoch, writes: [], isTorn: false, isAfterEnd: true, label: "after its end" });
  }
  return states;
}

function evenly(items: readonly number[]): number[] {
  if (items.length <= MAX_OF_EACH) return [...items];
  return Array.from(
    { length: MAX_OF_EACH },
    (_, index) => items[Math.round((index * (items.length - 1)) / (MAX_OF_EACH - 1))] as number,
  );
}
