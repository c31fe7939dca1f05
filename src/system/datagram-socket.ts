import { ptr } from "bun:ffi";
import { closeSync } from "node:fs";

import { errno, errnoError, openLibc } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2_000_000;
const SOCK_NONBLOCK = 0o4_000;
const SOL_SOCKET = 1;
const SO_PASSCRED = 16;
const SCM_RIGHTS = 1;
const SCM_CREDENTIALS = 2;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
/** A longer path does not fit into a socket address; the end has to be a NUL byte. */
export const MAX_SOCKET_PATH_BYTES = 107;
/** sd_notify messages are short; what is longer than a page is cut. */
const MESSAGE_BYTES = 4096;
const CONTROL_BYTES = 1024;

export type Datagram = {
  text: string;
  /** Who sent it, as the kernel says. */
  pid: number;
  /** Descriptors that came with it; they are the receiver's to close. */
  descriptors: number[];
};

/** A Unix datagram socket that tells the sender of each message (unix(7)). The runtime has none of its own. */
export class DatagramSocket {
  readonly descriptor: number;
  readonly #message = Buffer.alloc(MESSAGE_BYTES);
  readonly #control = Buffer.alloc(CONTROL_BYTES);
  /** struct iovec: base, length. */
  readonly #vector = new BigUint64Array(2);
  /** struct msghdr: name, namelen, iov, iovlen, control, controllen, flags. */
  readonly #header = new BigUint64Array(7);

  /**
   * @param path a name in the file system that does not exist, or "@…" for one in the abstract namespace
   * @throws the error of socket(2) or bind(2)
   */
  constructor(path: string) {
    this.descriptor = libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (this.descriptor < 0) throw errnoError(errno(), "socket");
    const name = Buffer.from(path);
    if (path.startsWith("@")) name[0] = 0;
    const address = Buffer.concat([
      Buffer.from([AF_UNIX, 0]),
      name,
      Buffer.from(path.startsWith("@") ? "" : "\0"),
    ]);
    if (libc().bind(this.descriptor, address, address.length) !== 0) {
      const error = errnoError(errno(), "bind", path);
      closeSync(this.descriptor);
      throw error;
    }
    const on = new Int32Array([1]);
    libc().setsockopt(this.descriptor, SOL_SOCKET, SO_PASSCRED, on, 4);
    this.#vector[0] = BigInt(ptr(this.#message));
    this.#vector[1] = BigInt(MESSAGE_BYTES);
  }

  /** The next message, or undefined where none waits. */
  receive(): Datagram | undefined {
    const header = this.#header;
    header.fill(0n);
    header[2] = BigInt(ptr(this.#vector));
    header[3] = 1n;
    header[4] = BigInt(ptr(this.#control));
    header[5] = BigInt(CONTROL_BYTES);
    const length = Number(libc().recvmsg(this.descriptor, header, MSG_CMSG_CLOEXEC));
    if (length < 0) return undefined;
    const { pid, descriptors } = parseControl(this.#control.subarray(0, Number(header[5])));
    return { text: this.#message.toString("utf8", 0, length), pid, descriptors };
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

/** Walks the control messages: length in 8 bytes, level and type in 4 each, then the data, aligned to 8. */
function parseControl(control: Buffer): { pid: number; descriptors: number[] } {
  let pid = 0;
  const descriptors: number[] = [];
  for (let at = 0; at + 16 <= control.length;) {
    const length = Number(control.readBigUInt64LE(at));
    if (length < 16) break;
    const [level, type] = [control.readInt32LE(at + 8), control.readInt32LE(at + 12)];
    const end = Math.min(at + length, control.length);
    if (level === SOL_SOCKET && type === SCM_CREDENTIALS) pid = control.readInt32LE(at + 16);
    if (level === SOL_SOCKET && type === SCM_RIGHTS)
      for (let data = at + 16; data + 4 <= end; data += 4) descriptors.push(control.readInt32LE(data));
    at += Math.ceil(length / 8) * 8;
  }
  return { pid, descriptors };
}

function bind() {
  return openLibc({
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
    recvmsg: { args: ["i32", "ptr", "i32"], returns: "i64" },
  });
}

let bound: ReturnType<typeof bind> | undefined;
const libc = () => (bound ??= bind());
