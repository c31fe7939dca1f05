import { launcherImages } from "./launcher-image.ts";
import { type Arch } from "./system-calls.ts";

/** An address in the launcher's memory. */
export type Address = number & { readonly address: unique symbol };

export type Step = {
  /** Number of the system call, or `SPLIT`. */
  number: number;
  args: readonly number[];
  /** What it is about, for the report of a failure. */
  text: string;
  /** Where the result goes as 32 bits. */
  store?: Address;
  /** Indexes of arguments that are the address of a 32-bit value. */
  indirect?: readonly number[];
  /** Which errors do not end the start: none, one errno, or "any". */
  tolerate?: number | "any";
  /** Makes the call `times` times, the argument `argument` one more each time. */
  repeat?: { times: number; argument: number };
};

/**
 * No system call: the rest of the list is done by a child in new namespaces, which has an init above it (vm.c). Its arguments
 * are flags for clone(2), the addresses of two names, and whether the child begins a session.
 */
export const SPLIT = -1;
/** Where vm.c expects a shared page before that. */
export const ENDING_ADDRESS = 0x2000_0000;
/**
 * The addresses agree with scripts/confine-launcher: vm.c has the data's, link.ld the code's. The data's is far from where any
 * program, and this runtime too, has something else, and small enough for every kernel.
 */
const CODE_ADDRESS = 0x40_1000;
export const DATA_ADDRESS = 0x20_0000_2000;
/** The same as the addresses modulo 64 KiB, the largest page of these architectures. */
const CODE_OFFSET = 0x1000;
const DATA_OFFSET = 0x2000;
const PAGE_BYTES = 0x1_0000;
/** Where the whole file lies when its data is where it should be. */
export const IMAGE_ADDRESS = DATA_ADDRESS - DATA_OFFSET;
/** Where the members of struct step of vm.c are. */
export const STEP = {
  store: 48,
  text: 56,
  number: 64,
  indirect: 68,
  tolerate: 72,
  textBytes: 76,
  times: 80,
  vary: 84,
  bytes: 88,
} as const;
/** struct program and struct step of vm.c. */
const HEADER_BYTES = 16;
const ARGUMENTS = 6;
const ELF_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const MACHINE = { x64: 62, arm64: 183 } as const;

/** Collects system calls and their data, and makes the ELF executable that makes them. */
export class ProgramImage {
  readonly #data: ByteWriter;
  readonly #steps: ByteWriter;
  readonly #texts = new Map<string, { address: Address; bytes: number }>();
  #count = 0;

  /** @param begun what it begins with; it stays as it is, and may be the beginning of others */
  constructor(begun?: ProgramImage) {
    this.#data = begun ? begun.#data.copy() : new ByteWriter(HEADER_BYTES);
    this.#steps = begun ? begun.#steps.copy() : new ByteWriter(0);
    this.#count = begun ? begun.#count : 0;
  }

  /** Puts bytes into the program's memory, at a multiple of 8. */
  bytes(content: Uint8Array): Address {
    return address(this.#data.bytes(content));
  }

  /** A text as C has it. The caller has seen to it that it holds no NUL byte, which would end it early. */
  text(content: string): Address {
    return this.#text(content).address;
  }

  /** 64-bit words. */
  words(...values: readonly number[]): Address {
    const at = this.#data.align();
    for (const value of values) this.#data.word(value);
    return address(at);
  }

  /** A list of texts that ends in a null pointer: argv, envp. */
  texts(list: readonly string[]): Address {
    return this.words(...list.map((text) => this.text(text)), 0);
  }

  step(step: Step): void {
    const steps = this.#steps;
    const { args, repeat, tolerate = 0 } = step;
    for (let i = 0; i < ARGUMENTS; i++) steps.word(args[i] ?? 0);
    steps.word(step.store ?? 0);
    const text = this.#text(step.text);
    steps.word(text.address);
    steps.half(step.number);
    steps.half((step.indirect ?? []).reduce((mask, argument) => mask | (1 << argument), 0));
    steps.half(tolerate === "any" ? -1 : tolerate);
    steps.half(text.bytes);
    steps.half(repeat?.times ?? 1);
    steps.half(repeat?.argument ?? 0);
    this.#count++;
  }

  /**
   * The executable. The image is used up by it.
   *
   * @param reportDescriptor where the launcher writes what failed
   */
  build(arch: Arch, reportDescriptor: number): Uint8Array {
    const image = launcherImages[arch];
    if (image === undefined) throw new Error(`there is no launcher for ${arch}`);
    const code = Buffer.from(image.base64, "base64");
    const steps = this.bytes(this.#steps.content);
    const data = this.#data.content;
    const header = new DataView(data.buffer, 0, HEADER_BYTES);
    header.setBigUint64(0, BigInt(steps), true);
    header.setUint32(8, this.#count, true);
    header.setUint32(12, reportDescriptor, true);
    const file = new Uint8Array(DATA_OFFSET + data.length);
    file.set(elfHeader(arch, code.length, data.length));
    file.set(code, CODE_OFFSET);
    file.set(data, DATA_OFFSET);
    return file;
  }

  #text(content: string): { address: Address; bytes: number } {
    const known = this.#texts.get(content);
    if (known !== undefined) return known;
    const { at, bytes } = this.#data.text(content);
    const text = { address: address(at), bytes };
    this.#texts.set(content, text);
    return text;
  }
}

function address(at: number): Address {
  return (DATA_ADDRESS + at) as Address;
}

const FIRST_BYTES = 16 * 1024;
/** What is copied is gone on with. */
const ROOM_BYTES = 8 * 1024;
const encoder = new TextEncoder();

/** Bytes that grow, little-endian. */
class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length: number;

  constructor(reserved: number, bytes = new Uint8Array(FIRST_BYTES)) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#length = reserved;
  }

  copy(): ByteWriter {
    const bytes = new Uint8Array(this.#length + ROOM_BYTES);
    bytes.set(this.content);
    return new ByteWriter(this.#length, bytes);
  }

  get content(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Goes on at a multiple of 8, and says where. */
  align(): number {
    this.#length += -this.#length & 7;
    return this.#length;
  }

  bytes(content: Uint8Array): number {
    const at = this.align();
    this.#grow(content.length);
    this.#bytes.set(content, at);
    this.#length += content.length;
    return at;
  }

  /** The text and a NUL byte; `bytes` is its length without that. */
  text(content: string): { at: number; bytes: number } {
    const at = this.#length;
    this.#grow(content.length * 3 + 1);
    const bytes = encoder.encodeInto(content, this.#bytes.subarray(at)).written;
    this.#length += bytes + 1;
    return { at, bytes };
  }

  /** 64 bits in two's complement; exact for every integer that a number holds. */
  word(value: number): void {
    this.half(value >>> 0);
    this.half(Math.floor(value / 2 ** 32));
  }

  /** 32 bits. */
  half(value: number): void {
    this.#grow(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  #grow(more: number): void {
    // Alignment may have moved the end by up to 7 bytes without asking.
    if (this.#length + more <= this.#bytes.length - 8) return;
    const larger = new Uint8Array(2 * (this.#length + more));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

function elfHeader(arch: Arch, codeBytes: number, dataBytes: number): Uint8Array {
  const readable = 4;
  const [writable, executable] = [readable | 2, readable | 1];
  const segments = [
    { type: 1, flags: executable, offset: CODE_OFFSET, address: CODE_ADDRESS, bytes: codeBytes },
    { type: 1, flags: writable, offset: DATA_OFFSET, address: DATA_ADDRESS, bytes: dataBytes },
    // PT_GNU_STACK: the stack is not executable.
    { type: 0x6474_e551, flags: writable, offset: 0, address: 0, bytes: 0 },
  ];
  const header = new Uint8Array(ELF_HEADER_BYTES + segments.length * PROGRAM_HEADER_BYTES);
  const view = new DataView(header.buffer);
  // 64 bits, little-endian, version 1; an executable file.
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, MACHINE[arch], true);
  view.setUint32(20, 1, true);
  view.setUint32(24, CODE_ADDRESS, true);
  view.setUint32(32, ELF_HEADER_BYTES, true);
  view.setUint16(52, ELF_HEADER_BYTES, true);
  view.setUint16(54, PROGRAM_HEADER_BYTES, true);
  view.setUint16(56, segments.length, true);
  for (const [index, { type, flags, offset, address, bytes }] of segments.entries()) {
    const at = ELF_HEADER_BYTES + index * PROGRAM_HEADER_BYTES;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, flags, true);
    for (const [i, value] of [offset, address, address, bytes, bytes, PAGE_BYTES].entries())
      view.setBigUint64(at + 8 + 8 * i, BigInt(value), true);
  }
  return header;
}
