import { closeSync } from "node:fs";

import { errno, errnoError, openLibc } from "./libc.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2_000_000;
const NETLINK_AUDIT = 9;
/** The group of those that are sent all records (AUDIT_NLGRP_READLOG), as a mask. */
const READERS = 1;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_RCVBUFFORCE = 33;
/** What has not been taken yet may be so much, which is some thousand records; then the kernel drops some, and says so. */
const BUFFER_BYTES = 16 * 1024 ** 2;
/** struct sockaddr_nl: family, number, groups. */
const ADDRESS_BYTES = 12;
const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
/** struct nlmsghdr: length, type and flags, sequence, sender. */
const HEADER_BYTES = 16;
/** More than the longest record (MAX_AUDIT_MESSAGE_LENGTH). */
const MESSAGE_BYTES = 16 * 1024;
const AUDIT_GET = 1000;
/** Records of programs: for what they like; and of those the one that is written even where audit is off. */
const AUDIT_TRUSTED_APP = 1121;
const AUDIT_USER_AVC = 1107;

/** A record of the kernel's audit: its type, and its text, which begins with the time and number of its event. */
export type AuditRecord = { type: number; text: string };

/**
 * Whether the kernel's audit is switched on: some records are written only then. Linux only, and root's.
 *
 * @throws the error of the kernel: EPERM for anybody else, ECONNREFUSED in a container
 */
export function isAuditOn(): boolean {
  const answer = ask(AUDIT_GET, NLM_F_REQUEST, Buffer.alloc(0));
  // struct audit_status begins with mask and enabled.
  return answer.readUInt32LE(4) !== 0;
}

/**
 * Gets all records that the kernel's audit writes from here on, also beside auditd, and without the limit of its log: ten lines in
 * five seconds. Linux only, and for root outside of containers.
 */
export class AuditSocket implements Disposable {
  readonly #descriptor: number;
  readonly #message = Buffer.alloc(MESSAGE_BYTES);
  /** Records have been dropped because too many were waiting. */
  hasLost = false;

  /** @throws the error of socket(2) or bind(2) */
  constructor() {
    this.#descriptor = open();
    const address = Buffer.alloc(ADDRESS_BYTES);
    address.writeUInt16LE(AF_NETLINK, 0);
    address.writeUInt32LE(READERS, 8);
    const size = new Int32Array([BUFFER_BYTES]);
    libc().setsockopt(this.#descriptor, SOL_SOCKET, SO_RCVBUFFORCE, size, size.byteLength);
    if (libc().bind(this.#descriptor, address, address.length) === 0) return;
    const error = errnoError(errno(), "bind");
    closeSync(this.#descriptor);
    throw error;
  }

  /**
   * Has a record of our own written, which comes after all that is on its way.
   *
   * @param text what it says; no quotes
   */
  mark(text: string): void {
    const type = isAuditOn() ? AUDIT_TRUSTED_APP : AUDIT_USER_AVC;
    ask(type, NLM_F_REQUEST | NLM_F_ACK, Buffer.from(`${text}\0`));
  }

  /** Waits for the next record; undefined where none comes within `patienceMs` (at least 1). */
  next(patienceMs: number): AuditRecord | undefined {
    const deadline = performance.now() + patienceMs;
    for (let left = patienceMs; left > 0; left = deadline - performance.now()) {
      setPatience(this.#descriptor, left);
      const length = Number(libc().recv(this.#descriptor, this.#message, MESSAGE_BYTES, 0));
      if (length >= HEADER_BYTES) {
        const text = this.#message.toString("utf8", HEADER_BYTES, length).replace(/[\0\n]+$/, "");
        return { type: this.#message.readUInt16LE(4), text };
      }
      if (errno() === ENOBUFS) this.hasLost = true;
      else if (errno() !== EINTR) return undefined;
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}

const EINTR = 4;
const ENOBUFS = 105;
/** The kernel answers at once; who stands between could keep silent. */
const ANSWER_MS = 2000;

/** One question and the body of its answer; an error answer is thrown. */
function ask(type: number, flags: number, body: Buffer): Buffer {
  const descriptor = open();
  try {
    setPatience(descriptor, ANSWER_MS);
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32LE(HEADER_BYTES + body.length, 0);
    header.writeUInt16LE(type, 4);
    header.writeUInt16LE(flags, 6);
    const question = Buffer.concat([header, body]);
    if (Number(libc().send(descriptor, question, question.length, 0)) < 0) throw errnoError(errno(), "send");
    const answer = Buffer.alloc(MESSAGE_BYTES);
    const length = Number(libc().recv(descriptor, answer, MESSAGE_BYTES, 0));
    if (length < 0) throw errnoError(errno(), "recv");
    const result = answer.subarray(HEADER_BYTES, length);
    const error = answer.readUInt16LE(4) === NLMSG_ERROR ? -result.readInt32LE(0) : 0;
    if (error !== 0) throw errnoError(error, "audit");
    return result;
  } finally {
    closeSync(descriptor);
  }
}

function open(): number {
  const descriptor = libc().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);
  if (descriptor < 0) throw errnoError(errno(), "socket");
  return descriptor;
}

/** struct timeval: seconds, microseconds. Zero would be for ever. */
function setPatience(descriptor: number, milliseconds: number): void {
  const microseconds = Math.max(1, Math.round(milliseconds * 1000));
  const time = new BigInt64Array([
    BigInt(Math.floor(microseconds / 1_000_000)),
    BigInt(microseconds % 1_000_000),
  ]);
  libc().setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, time, time.byteLength);
}

function bind() {
  return openLibc({
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
    send: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
    recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  });
}

let bound: ReturnType<typeof bind> | undefined;
const libc = () => (bound ??= bind());
