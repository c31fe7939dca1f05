import { existsSync, readFileSync } from "node:fs";

import { openLibc } from "../libc.ts";

/** What the kernel says that it offers to confine with. Null is what could not be found out. */
export type Confinement = {
  available: {
    /** The version of Landlock's interface; 0 where the kernel has none. */
    landlock_abi: number | null;
    seccomp: boolean | null;
    user_namespaces: boolean | null;
    cgroup_v2: boolean | null;
  };
};

/** landlock_create_ruleset(2), the same number on every architecture. */
const LANDLOCK_CREATE_RULESET = 444;
const LANDLOCK_CREATE_RULESET_VERSION = 1;

/** Looks what the kernel says. Whether a container or a policy of the machine lets one use it, only a try can tell. */
export function readConfinement(): Confinement {
  if (process.platform !== "linux")
    return {
      available: { landlock_abi: null, seccomp: null, user_namespaces: null, cgroup_v2: null },
    };
  const namespaces = read("/proc/sys/user/max_user_namespaces");
  const status = read("/proc/self/status");
  return {
    available: {
      landlock_abi: landlockAbi(),
      seccomp: status === "" ? null : /^Seccomp:/m.test(status),
      user_namespaces:
        namespaces === ""
          ? null
          : Number(namespaces) > 0 && read("/proc/sys/kernel/unprivileged_userns_clone").trim() !== "0",
      cgroup_v2: existsSync("/proc/self/cgroup")
        ? existsSync("/sys/fs/cgroup/cgroup.controllers") ||
          existsSync("/sys/fs/cgroup/unified/cgroup.controllers")
        : null,
    },
  };
}

function landlockAbi(): number | null {
  try {
    const libc = openLibc({ syscall: { args: ["i64", "ptr", "u64", "u32"], returns: "i64" } });
    const version = Number(libc.syscall(LANDLOCK_CREATE_RULESET, null, 0, LANDLOCK_CREATE_RULESET_VERSION));
    return version > 0 ? version : 0;
  } catch {
    return null;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
