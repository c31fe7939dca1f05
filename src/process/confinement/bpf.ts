/** Classic BPF as seccomp takes it (linux/filter.h, linux/bpf_common.h): 32-bit words, jumps only forward. */
const LOAD = 0x20;
const AND = 0x54;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;
/** A jump counts at most so many instructions, and a program has at most so many (BPF_MAXINSNS). */
const MAX_JUMP = 255;
export const MAX_INSTRUCTIONS = 4096;
const INSTRUCTION_BYTES = 8;

/** A place in the program to jump to: made by `label`, put somewhere by `place`. */
export type Label = { at: number | undefined };
type Instruction = { code: number; value: number; yes: Label | undefined; no: Label | undefined };

/**
 * Writes a BPF program. A test names where to go when it holds and when not; undefined is the next instruction.
 * Where a test's words are 64 bits wide, both halves have to be loaded and tested.
 */
export class BpfAssembler {
  readonly #instructions: Instruction[] = [];

  get length(): number {
    return this.#instructions.length;
  }

  label(): Label {
    return { at: undefined };
  }

  /** The label means the next instruction from now on. */
  place(label: Label): void {
    label.at = this.#instructions.length;
  }

  /** Loads 32 bits of `struct seccomp_data` at `offset`. */
  load(offset: number): void {
    this.#add(LOAD, offset);
  }

  and(mask: number): void {
    this.#add(AND, mask);
  }

  ifEqual(value: number, yes: Label | undefined, no?: Label): void {
    this.#add(JUMP_EQUAL, value, yes, no);
  }

  ifAtLeast(value: number, yes: Label | undefined, no?: Label): void {
    this.#add(JUMP_AT_LEAST, value, yes, no);
  }

  /** Holds where any bit of `mask` is set. */
  ifAnyBit(mask: number, yes: Label | undefined, no?: Label): void {
    this.#add(JUMP_ANY_BIT, mask, yes, no);
  }

  return(value: number): void {
    this.#add(RETURN, value);
  }

  /** The program as the kernel takes it, little-endian. */
  assemble(): Buffer {
    if (this.length > MAX_INSTRUCTIONS) throw new Error(`${this.length} BPF instructions are too many`);
    const bytes = Buffer.alloc(this.length * INSTRUCTION_BYTES);
    for (const [index, { code, value, yes, no }] of this.#instructions.entries()) {
      const at = index * INSTRUCTION_BYTES;
      bytes.writeUInt16LE(code, at);
      bytes.writeUInt8(distance(index, yes), at + 2);
      bytes.writeUInt8(distance(index, no), at + 3);
      bytes.writeUInt32LE(value, at + 4);
    }
    return bytes;
  }

  #add(code: number, value: number, yes?: Label, no?: Label): void {
    this.#instructions.push({ code, value: value >>> 0, yes, no });
  }
}

function distance(from: number, to: Label | undefined): number {
  if (to === undefined) return 0;
  const steps = (to.at ?? -1) - from - 1;
  if (steps < 0 || steps > MAX_JUMP) throw new Error(`a BPF jump of ${steps} is not possible`);
  return steps;
}
