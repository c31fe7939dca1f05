import { openLibc } from "./libc.ts";

/** Who is at the other end of a Unix socket, as the kernel noted it when they connected. */
export type PeerCredentials = {
  /** Null where the kernel does not tell. */
  pid: number | null;
  uid: number;
  gid: number;
};

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred: three 32-bit numbers (unix(7)). */
const UCRED_BYTES = 12;

function bindLinux() {
  return openLibc({ getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" } });
}
function bindDarwin() {
  return openLibc({ getpeereid: { args: ["i32", "ptr", "ptr"], returns: "i32" } });
}
let linux: ReturnType<typeof bindLinux> | undefined;
let darwin: ReturnType<typeof bindDarwin> | undefined;

/** Asks the kernel who connected to this socket; undefined where it does not know, and then nobody is to be trusted. */
export function peerCredentials(descriptor: number): PeerCredentials | undefined {
  if (process.platform === "darwin") {
    darwin ??= bindDarwin();
    const ids = new Uint32Array(2);
    const failed = darwin.getpeereid(descriptor, ids.subarray(0, 1), ids.subarray(1, 2)) !== 0;
    return failed ? undefined : { pid: null, uid: ids[0] as number, gid: ids[1] as number };
  }
  linux ??= bindLinux();
  const credentials = new Uint32Array(UCRED_BYTES / 4);
  const length = new Uint32Array([UCRED_BYTES]);
  const failed = linux.getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, credentials, length) !== 0;
  if (failed || length[0] !== UCRED_BYTES) return undefined;
  const [pid = 0, uid = 0, gid = 0] = credentials;
  return { pid, uid, gid };
}
