import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";

import { applyRename, type Change, type Node, type Trace } from "./trace.ts";

/**
 * What a file system may forget in a power cut (after ALICE: Pillai et al., "All File Systems Are Not Created Equal",
 * OSDI 2014).
 *
 * - posix: bytes and modes are safe after an fsync of the file, a name after an fsync of its directory, and nothing else;
 *   what was not flushed may be there or not, in any order.
 * - ordered: what journalling file systems do. An fsync of a new file also keeps its name, and a name is never there without
 *   the names before it; bytes that were not flushed may still be missing.
 *
 * A rename is one change in both.
 */
type Model = "posix" | "ordered";

/** A state that a power cut may leave, as the changes that are there. */
export type LegalState = {
  model: Model;
  /** Indices into the trace's changes, in order. */
  there: number[];
  /** Only half of the last change, which is a write, is there. */
  isTorn: boolean;
  /** After which call the power was cut, and what is special about what is there. */
  label: string;
  /** The command had ended. */
  isAfterEnd: boolean;
};

/**
 * Every legal state of a trace, each once: for a cut after each change, nothing that was not flushed, all of it, each prefix
 * of it, all but one, only one, and the last write torn.
 */
export function legalStates(trace: Trace): LegalState[] {
  return distinctStates(trace, 0);
}

/** The same for a cut after the command's end alone: of a long trace that is a small part. */
export function legalStatesAfterEnd(trace: Trace): LegalState[] {
  return distinctStates(trace, trace.changes.length);
}

function distinctStates(trace: Trace, firstCut: number): LegalState[] {
  const states = new Map<string, LegalState>();
  const seen = new Set<string>();
  const digests = new Map<string, string>();
  for (const model of ["posix", "ordered"] as const)
    for (let count = firstCut; count <= trace.changes.length; count++)
      for (const state of statesAfter(trace, model, count)) {
        const selection = `${state.there.join()} ${state.isTorn} ${state.isAfterEnd}`;
        if (seen.has(selection)) continue;
        seen.add(selection);
        const key = `${fingerprint(trace, state, digests)}${state.isAfterEnd ? " end" : ""}`;
        if (!states.has(key)) states.set(key, state);
      }
  return [...states.values()];
}

function* statesAfter(trace: Trace, model: Model, count: number): Generator<LegalState> {
  const { changes } = trace;
  const safe = flushed(trace, model, count);
  const must: number[] = [];
  const open: number[] = [];
  for (let index = 0; index < count; index++)
    if (!isFlush(changes[index] as Change)) (safe[index] ? must : open).push(index);
  const last = changes[count - 1];
  const where = last ? `cut after ${last.at} (${last.label})` : "cut at the start";
  const state = (some: number[], what: string, isTorn = false): LegalState => ({
    model,
    there: withEarlierNames(changes, model, [...must, ...some], count),
    isTorn,
    label: `${model}, ${where}, ${what}`,
    isAfterEnd: count === changes.length,
  });
  yield state([], "only what was flushed");
  yield state(open, "everything");
  for (let size = 1; size < open.length; size++)
    yield state(open.slice(0, size), `the first ${size} that were not flushed`);
  for (const one of open) {
    yield state(
      open.filter((other) => other !== one),
      `without ${changes[one]?.label}`,
    );
    yield state([one], `early ${changes[one]?.label}`);
  }
  const newest = changes[open.at(-1) ?? -1];
  if (newest?.kind === "write") yield state(open, `half of ${newest.label}`, true);
}

/** Which of the first `count` changes are safe. */
function flushed({ changes, nodes }: Trace, model: Model, count: number): boolean[] {
  const safe = Array.from({ length: count }, () => false);
  for (let at = 0; at < count; at++) {
    const flush = changes[at] as Change;
    if (flush.kind === "sync-all") safe.fill(true, 0, at);
    if (flush.kind !== "sync") continue;
    for (let index = 0; index < at; index++)
      if (keeps(flush.node, changes[index] as Change, nodes, model)) safe[index] = true;
    if (model !== "ordered") continue;
    const lastName = safe.findLastIndex((isSafe, index) => isSafe && isName(changes[index] as Change));
    for (let index = 0; index < lastName; index++) if (isName(changes[index] as Change)) safe[index] = true;
  }
  return safe;
}

function keeps(synced: number, change: Change, nodes: readonly Node[], model: Model): boolean {
  if (change.kind === "write" || change.kind === "truncate" || change.kind === "mode")
    return change.node === synced;
  if (change.kind === "rename") return change.directory === synced || change.toDirectory === synced;
  if (change.kind !== "name") return false;
  const isOwnName = change.isNew && change.node === synced && nodes[synced]?.type !== "directory";
  return change.directory === synced || (model === "ordered" && isOwnName);
}

function withEarlierNames(changes: readonly Change[], model: Model, some: number[], count: number): number[] {
  if (model === "posix") return some.toSorted((a, b) => a - b);
  const there = new Set(some);
  const last = Math.max(-1, ...some.filter((index) => isName(changes[index] as Change)));
  for (let index = 0; index < Math.min(last, count); index++)
    if (isName(changes[index] as Change)) there.add(index);
  return [...there].toSorted((a, b) => a - b);
}

const isName = ({ kind }: Change) => kind === "name" || kind === "rename";
const isFlush = ({ kind }: Change) => kind === "sync" || kind === "sync-all";

type Built = {
  /** Of each file whose bytes change: the changes, as indices. */
  edits: Map<number, number[]>;
  modes: Map<number, number>;
  names: Map<number, Map<string, number>>;
};

/** The bytes of a file that changes, in a buffer that has room to grow. */
class FileBytes {
  #buffer: Buffer;
  #size: number;

  constructor(start: Buffer) {
    this.#buffer = Buffer.from(start);
    this.#size = start.length;
  }

  resize(size: number): void {
    if (size > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(size, 2 * this.#buffer.length));
      this.#buffer.copy(larger, 0, 0, this.#size);
      this.#buffer = larger;
    } else if (size < this.#size) this.#buffer.fill(0, size, this.#size);
    this.#size = size;
  }

  write(offset: number, bytes: Buffer): void {
    if (offset + bytes.length > this.#size) this.resize(offset + bytes.length);
    bytes.copy(this.#buffer, offset);
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#size);
  }
}

function build({ nodes, changes }: Trace, { there }: LegalState): Built {
  const built: Built = { edits: new Map(), modes: new Map(), names: new Map() };
  for (const { id, type, entries } of nodes) if (type === "directory") built.names.set(id, new Map(entries));
  for (const index of there) {
    const change = changes[index] as Change;
    if (change.kind === "write" || change.kind === "truncate") {
      const edits = built.edits.get(change.node) ?? [];
      edits.push(index);
      built.edits.set(change.node, edits);
    } else if (change.kind === "mode") built.modes.set(change.node, change.mode);
    else if (change.kind === "rename") applyRename(built.names, change);
    else if (change.kind === "name") {
      if (change.node === null) built.names.get(change.directory)?.delete(change.name);
      else built.names.get(change.directory)?.set(change.name, change.node);
    }
  }
  return built;
}

/** The bytes of a file after some changes to it. */
function bytesOf({ changes }: Trace, node: Node, edits: readonly number[], isLastTorn: boolean): Buffer {
  if (edits.length === 0) return node.data;
  const file = new FileBytes(node.data);
  for (const index of edits) {
    const change = changes[index] as Change;
    if (change.kind === "truncate") file.resize(change.size);
    if (change.kind !== "write") continue;
    const isHalf = isLastTorn && index === edits.at(-1);
    file.write(change.offset, isHalf ? change.data.subarray(0, change.data.length >> 1) : change.data);
  }
  return file.bytes;
}

/** Whether it is a write to this file that is there by half. */
const isTornIn = ({ isTorn, there }: LegalState, edits: readonly number[]) =>
  isTorn && edits.length > 0 && edits.at(-1) === there.at(-1);

/** @param digests of files after some changes: states have most of them in common */
function fingerprint(trace: Trace, state: LegalState, digests: Map<string, string>): string {
  const { edits: allEdits, modes, names } = build(trace, state);
  const digestOf = (node: Node): string => {
    const edits = allEdits.get(node.id) ?? [];
    const isTorn = isTornIn(state, edits);
    const key = `${node.id} ${edits.join()} ${isTorn}`;
    const known = digests.get(key);
    if (known !== undefined) return known;
    const digest = Bun.SHA1.hash(bytesOf(trace, node, edits, isTorn), "hex");
    digests.set(key, digest);
    return digest;
  };
  let text = "";
  const add = (id: number, path: string): void => {
    const node = trace.nodes[id] as Node;
    text += `${path}\0${node.type}\0${modes.get(id) ?? node.mode}\0${node.target}\0`;
    if (node.type === "file") text += digestOf(node);
    for (const name of [...(names.get(id)?.keys() ?? [])].toSorted())
      add(names.get(id)?.get(name) as number, `${path}/${name}`);
  };
  add(trace.root, "");
  return Bun.SHA1.hash(text, "hex");
}

/** Makes a state's files in a directory that does not exist yet. */
export function makeState(trace: Trace, state: LegalState, directory: string): void {
  const built = build(trace, state);
  const make = (id: number, path: string): void => {
    const node = trace.nodes[id] as Node;
    if (node.type === "symlink") return symlinkSync(node.target, path);
    if (node.type === "file") {
      const edits = built.edits.get(id) ?? [];
      writeFileSync(path, bytesOf(trace, node, edits, isTornIn(state, edits)));
    } else {
      mkdirSync(path);
      for (const [name, child] of built.names.get(id) ?? []) make(child, `${path}/${name}`);
    }
    chmodSync(path, built.modes.get(id) ?? node.mode);
  };
  make(trace.root, directory);
}
