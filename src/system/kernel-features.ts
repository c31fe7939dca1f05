import { errno, openLibc } from "./libc.ts";

/** The same number on every architecture. */
const LANDLOCK_CREATE_RULESET = 444;
const LANDLOCK_CREATE_RULESET_VERSION = 1;
const SECCOMP = { x64: 317, arm64: 277 } as const;
const SECCOMP_GET_ACTION_AVAIL = 2;
const SECCOMP_RET_ERRNO = 0x0005_0000;

/** The version of Landlock's interface, 1 or more; or the negative errno: ENOSYS, EOPNOTSUPP, EPERM. Linux only. */
export function landlockAbi(): number {
  const libc = openLibc({ syscall: { args: ["i64", "ptr", "u64", "u32"], returns: "i64" } });
  const version = Number(libc.syscall(LANDLOCK_CREATE_RULESET, null, 0, LANDLOCK_CREATE_RULESET_VERSION));
  return version < 0 ? -errno() : version;
}

/** 0 where seccomp(2) takes filters that refuse calls, else the negative errno. Linux on x64 and arm64 only. */
export function seccompError(arch: keyof typeof SECCOMP): number {
  const libc = openLibc({ syscall: { args: ["i64", "u32", "u32", "ptr"], returns: "i64" } });
  const action = new Uint32Array([SECCOMP_RET_ERRNO]);
  const result = Number(libc.syscall(SECCOMP[arch], SECCOMP_GET_ACTION_AVAIL, 0, action));
  return result < 0 ? -errno() : 0;
}
