import { readFileSync } from "node:fs";

const ENOSYS = 38;
const EOPNOTSUPP = 95;

/** Why there is no Landlock: the errno of landlock_create_ruleset(2), in plain words. Pure. */
export function landlockReason(error: number): string {
  if (error === ENOSYS) return "this kernel has no Landlock: it came with Linux 5.13";
  if (error === EOPNOTSUPP) return 'Landlock is not switched on: the kernel\'s "lsm=" list lacks it';
  return "a sandbox around Aurora forbids Landlock";
}

/** Why system calls cannot be filtered; null where they can. Pure. */
export function seccompReason(error: number): string | null {
  if (error === 0) return null;
  return error === ENOSYS || error === EOPNOTSUPP
    ? "this kernel cannot filter system calls"
    : "a sandbox around Aurora forbids filters for system calls";
}

/**
 * Why a user, mount, pid or network namespace could not be made: the setting of this machine that is known to forbid it, else what
 * was refused.
 *
 * @param trial the step of a start that failed, and the system's reason
 * @param setting reads a file in /proc; "" where it is not there
 */
export function namespaceReason(
  { step, reason }: { step: string; reason: string },
  setting: (path: string) => string = readSetting,
): string {
  if (setting("/proc/sys/user/max_user_namespaces") === "0")
    return "user namespaces are switched off (user.max_user_namespaces)";
  if (setting("/proc/sys/kernel/unprivileged_userns_clone") === "0")
    return "user namespaces are for root only (kernel.unprivileged_userns_clone)";
  if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") === "1")
    return "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns)";
  return `a container or a policy of this machine forbids it: cannot ${step}: ${reason}`;
}

function readSetting(path: string): string {
  try {
    return readFileSync(path, "latin1").trim();
  } catch {
    return "";
  }
}
