import { closeSync } from "node:fs";

import { openLibc } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
/** struct sockaddr_un: the family, then the path (unix(7)). */
const PATH_OFFSET = 2;
const PATH_BYTES = 108;

function bind() {
  return openLibc({
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
  });
}
let bound: ReturnType<typeof bind> | undefined;

/**
 * Tells the service manager what `state` says, such as "READY=1" (sd_notify(3)).
 *
 * @param socket `$NOTIFY_SOCKET`: a path, or "@" and an abstract name; undefined where nobody listens
 * @returns whether it was told
 */
export function notifySystemd(socket: string | undefined, state: string): boolean {
  if (socket === undefined || !/^[/@]/.test(socket) || process.platform !== "linux") return false;
  const name = Buffer.from(socket);
  if (name.length >= PATH_BYTES) return false;
  if (socket.startsWith("@")) name[0] = 0;
  const address = Buffer.concat([Uint8Array.of(AF_UNIX, 0), name]);
  bound ??= bind();
  const descriptor = bound.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return false;
  try {
    const message = Buffer.from(state);
    const length = PATH_OFFSET + name.length;
    return Number(bound.sendto(descriptor, message, message.length, MSG_NOSIGNAL, address, length)) >= 0;
  } finally {
    closeSync(descriptor);
  }
}
