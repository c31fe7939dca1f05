import { USUAL_OPEN_FILES } from "../../system/open-files.ts";
import { TRUNCATE_ABI } from "./landlock-rules.ts";
import { type Limits } from "./policy.ts";
import { type Address } from "./program-image.ts";
import { seccompFilter } from "./seccomp-filter.ts";
import { type Start } from "./start.ts";

const EPERM = 1;
const FIRST_INHERITED = 3;
const ALL_DESCRIPTORS = 0x7fff_ffff;
const CLOSE_RANGE_CLOEXEC = 4;
const LAST_SIGNAL = 64;
const SIGNAL_SET_BYTES = 8;
const SIG_SETMASK = 2;
const PR_SET_KEEPCAPS = 8;
const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_RAISE = 2;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
const CAPABILITIES = 64;
const CAP_NET_BIND_SERVICE = 10;
const CAPABILITY_VERSION_3 = 0x2008_0522;
const SECCOMP_SET_MODE_FILTER = 1;
const BPF_INSTRUCTION_BYTES = 8;
const RLIMIT = { cpu: 0, fsize: 1, data: 2, core: 4, nproc: 6, nofile: 7 };

/** They close at execve and not before: the launcher reports through one of them. */
export function closeDescriptors({ call }: Start): void {
  call("close descriptors", "close_range", [FIRST_INHERITED, ALL_DESCRIPTORS, CLOSE_RANGE_CLOEXEC]);
}

/** SIGKILL, SIGSTOP and what the C library keeps for itself cannot be set; they are at their default. */
export function resetSignals(start: Start): void {
  const { call, image, has } = start;
  const nothing = image.words(0, 0, 0, 0);
  call("reset signals", "rt_sigaction", [1, nothing, 0, SIGNAL_SET_BYTES], {
    tolerate: "any",
    repeat: { times: LAST_SIGNAL, argument: 0 },
  });
  // Until there is a command to pass them on to, signals wait.
  if (has("process-namespace") || has("reaper")) setSignalMask(start, -1);
  else setSignalMask(start, 0);
}

/** @param mask 0 for none, -1 for all */
export function setSignalMask({ call, image }: Start, mask: 0 | -1): void {
  call("set the signal mask", "rt_sigprocmask", [SIG_SETMASK, image.words(mask), 0, SIGNAL_SET_BYTES]);
}

/** The policy's user and groups, without the caller's. */
export function becomeUser({ call, image, plan }: Start): void {
  const { uid, gid = uid, groups = [] } = plan.policy;
  if (uid === undefined || gid === undefined || uid === plan.uid) return;
  // gid_t has 32 bits.
  const list = groups.length === 0 ? 0 : image.bytes(new Uint8Array(Uint32Array.from(groups).buffer));
  if (plan.keepsLowPorts) call("keep a capability", "prctl", [PR_SET_KEEPCAPS, 1, 0, 0, 0]);
  call("leave the groups", "setgroups", [groups.length, list]);
  call(`become group ${gid}`, "setresgid", [gid, gid, gid]);
  call(`become user ${uid}`, "setresuid", [uid, uid, uid]);
}

/**
 * No set-id program, no file capability and, for root, no being root gives a privilege from here on: capabilities are
 * dropped, and what execve(2) would give is cut down to what there is (capabilities(7), "no_new_privs"). The one for ports below
 * 1024 is kept where such a port was approved.
 */
export function dropPrivileges({ call, image, plan }: Start): void {
  call("give up new privileges", "prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
  // A filter needs that; the rest would be in the way of what is to be seen.
  if (plan.isAudit) return;
  const kept = plan.keepsLowPorts ? CAP_NET_BIND_SERVICE : undefined;
  // Root can empty this set as well; others have nothing in it that they could use.
  const dropFrom = (first: number, end: number) =>
    call("drop capabilities", "prctl", [PR_CAPBSET_DROP, first, 0, 0, 0], {
      tolerate: "any",
      repeat: { times: end - first, argument: 1 },
    });
  dropFrom(0, kept ?? CAPABILITIES);
  if (kept !== undefined) dropFrom(kept + 1, CAPABILITIES);
  call("drop capabilities", "prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0], {
    tolerate: "any",
  });
  const header = image.words(CAPABILITY_VERSION_3);
  if (kept === undefined) return call("drop capabilities", "capset", [header, image.words(0, 0, 0)]);
  // The effective, permitted and inheritable ones, in 32 bits each, and then those above 31.
  const sets = new Uint8Array(Uint32Array.of(1 << kept, 1 << kept, 1 << kept, 0, 0, 0).buffer);
  call("drop capabilities", "capset", [header, image.bytes(sets)]);
  call("keep a capability", "prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept, 0, 0]);
}

/**
 * What runtimes reserve and do not use: the kernel counts it for RLIMIT_DATA all the same. Our own takes 2.2 GiB, and without
 * that has no compiler, or does not even start.
 */
const RESERVED_BYTES = 4 * 1024 ** 3;

/**
 * The limits for each process. Memory is RLIMIT_DATA only where neither a control group nor the launcher can look at what is
 * used, and then it is what stops a leak some time: RLIMIT_DATA counts what is reserved. No core files, which hold memory.
 */
export function setLimits({ call, image, plan, has }: Start): void {
  const set = (name: keyof typeof RLIMIT, soft: number | null, hard = soft) => {
    if (soft === null || hard === null) return;
    // Only root may raise a limit: one that is tighter already stays.
    call(`limit ${name}`, "prlimit64", [0, RLIMIT[name], image.words(soft, hard), 0], { tolerate: EPERM });
  };
  const { limits, unconfined } = plan.policy;
  if (!unconfined) set("core", 0);
  const { mostOpenFiles: most = null } = plan;
  if (limits.open_files === null) set("nofile", most && Math.min(USUAL_OPEN_FILES, most), most);
  if (has("limits")) setResourceLimits(limits, set);
  if (limits.memory_bytes !== null && !has("control-group") && !has("memory-watch"))
    set("data", limits.memory_bytes + RESERVED_BYTES);
  // The launcher's init, or its reaper, is a process of the same user.
  const above = has("process-namespace") || has("reaper") ? 1 : 0;
  if (has("process-limit") && limits.processes !== null) set("nproc", limits.processes + above);
}

function setResourceLimits(
  limits: Limits,
  set: (name: keyof typeof RLIMIT, soft: number | null, hard?: number | null) => void,
): void {
  set("nofile", limits.open_files);
  set("fsize", limits.file_size_bytes);
  // SIGXCPU first, so that it can be told from a SIGKILL by somebody.
  set("cpu", limits.cpu_seconds, limits.cpu_seconds === null ? null : limits.cpu_seconds + 1);
}

/** The filter, as seccomp(2) takes it: struct sock_fprog. */
export function prepareFilter({ image, plan }: Start): Address {
  const { policy, arch, landlockAbi } = plan;
  const filter = seccompFilter(policy, arch, landlockAbi < TRUNCATE_ABI, plan.isAudit);
  return image.words(filter.length / BPF_INSTRUCTION_BYTES, image.bytes(filter));
}

export function filterSystemCalls({ call }: Start, program: Address): void {
  call("filter system calls", "seccomp", [SECCOMP_SET_MODE_FILTER, 0, program]);
}
