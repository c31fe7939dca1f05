import { lstatSync, readFileSync, rmSync, writeFileSync } from "node:fs";

import { bootId } from "../../system/boot.ts";
import { buildInfo } from "../../system/build-info.ts";
import { controlGroupReason } from "./control-group.ts";
import { type KernelFeatures } from "./kernel.ts";

/** What decides about the features of a kernel beside the kernel itself; where one of them changes they are tried anew. */
const SETTINGS = [
  "/proc/sys/user/max_user_namespaces",
  "/proc/sys/kernel/unprivileged_userns_clone",
  "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
  "/proc/sys/vm/memfd_noexec",
  "/proc/self/attr/current",
  "/proc/self/uid_map",
];
/** Of /proc/self/status: what this process may. */
const STATUS = /^(?:Uid|Gid|CapEff|CapBnd|NoNewPrivs|Seccomp|Seccomp_filters):.*$/gm;
const PRIVATE = 0o077;

/**
 * The features that were found before, or undefined where the file is not there, is not this user's alone, or was written in
 * another boot, by another version, or under other settings.
 *
 * @param key `featureKey()`
 */
export function readFeatures(file: string, key: string): KernelFeatures | undefined {
  try {
    const stat = lstatSync(file);
    if (!stat.isFile() || stat.uid !== process.geteuid?.() || (stat.mode & PRIVATE) !== 0) return undefined;
    const kept = JSON.parse(readFileSync(file, "utf8")) as { key: string; features: KernelFeatures };
    // Another group may be another case, and it is cheap to look.
    return kept.key === key ? { ...kept.features, controlGroup: controlGroupReason() } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Keeps features for `readFeatures`, and is the only one who does at that time. What cannot be kept, or is half written when the
 * program is killed, is found anew the next time.
 */
export function writeFeatures(file: string, key: string, features: KernelFeatures): void {
  try {
    rmSync(file, { force: true });
    writeFileSync(file, JSON.stringify({ key, features }), { mode: 0o600, flag: "wx" });
  } catch {
    // Without it everything works, a little later.
  }
}

/** Stands for everything that the features depend on. */
export function featureKey(): string {
  const { version, commit } = buildInfo();
  const status = read("/proc/self/status").match(STATUS) ?? [];
  const parts = [bootId(), version, commit, process.execPath, ...status, ...SETTINGS.map(read)];
  return Bun.hash(parts.join("\0")).toString(16);
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
