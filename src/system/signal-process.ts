import { closeSync } from "node:fs";

import { errno, openLibc } from "./libc.ts";
import { operatingSystem } from "./operating-system.ts";

/** The same numbers on x64 and arm64. */
const SYS_PIDFD_SEND_SIGNAL = 424n;
const SYS_PIDFD_OPEN = 434n;
const ESRCH = 3;
const ENOSYS = 38;

/**
 * Sends a signal to exactly the process that is meant: the number is bound to the process by a pidfd first, then
 * `isMeant` looks whether it is the right one, then the signal goes through the pidfd. A number that another process has
 * got meanwhile is never hit. On kernels without pidfds (before 5.3) the look is the only guard.
 *
 * @param isMeant called while the number cannot change hands
 * @returns false where the process is gone, is another one, or may not be signalled
 */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0, isMeant: () => boolean): boolean {
  const number = signal === 0 ? 0 : operatingSystem().constants.signals[signal];
  if (process.platform !== "linux") return isMeant() && signalByNumber(pid, number);
  const descriptor = Number(libc().syscall(SYS_PIDFD_OPEN, BigInt(pid), 0n, 0n, 0n));
  if (descriptor < 0) {
    const reason = errno();
    if (reason === ESRCH) return false;
    return reason === ENOSYS && isMeant() && signalByNumber(pid, number);
  }
  try {
    if (!isMeant()) return false;
    return Number(libc().syscall(SYS_PIDFD_SEND_SIGNAL, BigInt(descriptor), BigInt(number), 0n, 0n)) === 0;
  } finally {
    closeSync(descriptor);
  }
}

function signalByNumber(pid: number, number: number): boolean {
  try {
    process.kill(pid, number);
    return true;
  } catch {
    return false;
  }
}

function bind() {
  return openLibc({ syscall: { args: ["i64", "i64", "i64", "i64", "i64"], returns: "i64" } });
}

let bound: ReturnType<typeof bind> | undefined;
const libc = () => (bound ??= bind());
