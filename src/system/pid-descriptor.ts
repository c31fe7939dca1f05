import { openLibc } from "./libc.ts";

/** The same number on x64 and arm64. */
const SYS_PIDFD_OPEN = 434n;

/**
 * A descriptor that stands for a process, and can be read when it has ended (pidfd_open(2)). It is the caller's to close.
 * Undefined where the process is gone, or the kernel has no such thing (before 5.3).
 */
export function openPidDescriptor(pid: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  const descriptor = Number(libc().syscall(SYS_PIDFD_OPEN, BigInt(pid), 0n, 0n, 0n));
  return descriptor < 0 ? undefined : descriptor;
}

function bind() {
  return openLibc({ syscall: { args: ["i64", "i64", "i64", "i64", "i64"], returns: "i64" } });
}

let bound: ReturnType<typeof bind> | undefined;
const libc = () => (bound ??= bind());
