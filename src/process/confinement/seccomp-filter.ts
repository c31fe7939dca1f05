import { BpfAssembler, type Label } from "./bpf.ts";
import { type Policy } from "./policy.ts";
import { type Arch, findSystemCall, LAST_KNOWN_SYSTEM_CALL, type SystemCall } from "./system-calls.ts";

/** What a pack never does to a machine or to another process. Refused with EPERM. */
const REFUSED: readonly SystemCall[] = [
  // Other processes.
  ...(["ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "process_madvise"] as const),
  ...(["process_mrelease", "migrate_pages", "move_pages"] as const),
  // Mounts, roots and namespaces.
  ...(["mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "open_tree_attr"] as const),
  ...(["fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "unshare", "setns"] as const),
  // The kernel, and parts of it that have often been ways into it.
  ...(["kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "bpf"] as const),
  ...(["keyctl", "add_key", "request_key", "userfaultfd", "perf_event_open", "lookup_dcookie"] as const),
  ...(["modify_ldt", "nfsservctl", "uselib", "ustat", "sysfs", "_sysctl", "iopl", "ioperm"] as const),
  // The machine as a whole.
  ...(["reboot", "swapon", "swapoff", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex"] as const),
  ...(["acct", "quotactl", "quotactl_fd", "sethostname", "setdomainname", "syslog", "vhangup"] as const),
  // Files by handle go round every path, and fanotify sees everybody's.
  ...(["open_by_handle_at", "name_to_handle_at", "fanotify_init"] as const),
  // Shared memory, semaphores and queues of System V and POSIX have names for the whole machine.
  ...(["shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semctl", "semtimedop"] as const),
  ...(["msgget", "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink", "mq_timedsend"] as const),
  ...(["mq_timedreceive", "mq_notify", "mq_getsetattr"] as const),
];
/**
 * What every program has another way for, so that "no such system call" makes it take that. The arguments of clone3 and
 * openat2 lie in memory, where a filter cannot see them; io_uring makes calls that no filter sees; flags of files that
 * Landlock would not let it open can be set by path since Linux 6.17, where ioctl(2) needs an open file.
 */
const ABSENT: readonly SystemCall[] = [
  "clone3",
  "openat2",
  "io_uring_setup",
  "io_uring_enter",
  "io_uring_register",
  "file_getattr",
  "file_setattr",
  "statmount",
  "listmount",
];

const EPERM = 1;
const EACCES = 13;
const ENOSYS = 38;
/** linux/seccomp.h */
const ALLOW = 0x7fff_0000;
const ERROR = 0x0005_0000;
const KILL_PROCESS = 0x8000_0000;
const LOG = 0x7ffc_0000;
/** struct seccomp_data */
const NUMBER_AT = 0;
const ARCH_AT = 4;
const argumentAt = (index: number) => 16 + 8 * index;
/** linux/audit.h */
const AUDIT_ARCH: Record<Arch, number> = { x64: 0xc000_003e, arm64: 0xc000_00b7 };

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NEW_NAMESPACE = 0x7e02_0000;
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const TIOCSETD = 0x5423;
const SET_ID_BITS = 0o6000;
const O_CREAT_OR_TMPFILE = 0o100 | 0o20_000_000;
const MSG_FASTOPEN = 0x2000_0000;
const PRIO_PROCESS = 0;
const IOPRIO_WHO_PROCESS = 1;
const FAMILY = { unix: 1, inet: 2, inet6: 10, netlink: 16 };
const TYPE_MASK = 0xf;
const STREAM = 1;
const DATAGRAM = 2;
const SEQUENCED = 5;
const TCP = 6;
const UDP = 17;
const NETLINK_ROUTE = 0;

/** Where a system call has a mode that could carry a set-id bit: [call, index of the mode]. */
const MODES: readonly [SystemCall, number][] = [
  ["chmod", 1],
  ["fchmod", 1],
  ["fchmodat", 2],
  ["fchmodat2", 2],
  ["creat", 1],
  ["mknod", 1],
  ["mknodat", 2],
];
/** [call, index of the flags, index of the mode] */
const OPENS: readonly [SystemCall, number, number][] = [
  ["open", 1, 2],
  ["openat", 2, 3],
];
const SENDS: readonly [SystemCall, number][] = [
  ["sendto", 3],
  ["sendmsg", 2],
  ["sendmmsg", 3],
];
/** Calls that change how a process is scheduled; 0 is the caller itself. */
const SCHEDULING: readonly SystemCall[] = [
  "sched_setaffinity",
  "sched_setscheduler",
  "sched_setparam",
  "sched_setattr",
];

/** All that a filter depends on. */
type FilterFacts = {
  connects: boolean;
  listens: boolean;
  udp: boolean;
  unix: boolean;
  notify: boolean;
  arch: Arch;
  denyTruncate: boolean;
  isAudit: boolean;
};

/** A hundred services that start at once have a few different ones. */
const filters = new Map<string, Buffer>();

/**
 * The filter for system calls (seccomp(2)), as a BPF program. It closes what Landlock does not look at: see `REFUSED`, and
 * sockets, set-id bits, new namespaces, and TCP Fast Open, which connects without a check.
 *
 * A list of what is refused, not of what is allowed: programs and C libraries use new calls all the time. What is newer than
 * this file is refused as unknown.
 *
 * @param isAudit what would be refused is done and reported, but what every program has another way for
 * @param denyTruncate truncate(2) is refused because Landlock does not check it (ABI 1 and 2)
 */
export function seccompFilter(
  { net, unix, notify }: Pick<Policy, "net" | "unix" | "notify">,
  arch: Arch,
  denyTruncate: boolean,
  isAudit = false,
): Buffer {
  const [connects, listens] = [net.connect.length > 0, net.listen.length > 0];
  const facts: FilterFacts = { connects, listens, udp: net.udp, unix, notify, arch, denyTruncate, isAudit };
  const key = Object.values(facts).join();
  const filter = filters.get(key) ?? makeFilter(facts);
  filters.set(key, filter);
  return filter;
}

function makeFilter(facts: FilterFacts): Buffer {
  const { listens, unix, notify, arch, denyTruncate, isAudit } = facts;
  const bpf = new BpfAssembler();
  const refusal = (error: number) => (isAudit ? LOG : ERROR | error);
  const cases: Case[] = [];
  const when = (name: SystemCall, body: () => void) => {
    const number = findSystemCall(name, arch);
    if (number !== undefined) cases.push({ number, body });
  };
  /** Ends with an error where `test` jumps, and allows where it does not. */
  const refuseIf = (test: (refused: Label, allowed: Label) => void, error = EPERM) => {
    const [refused, allowed] = [bpf.label(), bpf.label()];
    test(refused, allowed);
    bpf.place(allowed);
    bpf.return(ALLOW);
    bpf.place(refused);
    bpf.return(refusal(error));
  };

  const isNative = bpf.label();
  bpf.load(ARCH_AT);
  bpf.ifEqual(AUDIT_ARCH[arch], isNative);
  // Another architecture's numbers mean other calls: a 32-bit program cannot be run.
  bpf.return(isAudit ? LOG : KILL_PROCESS);
  bpf.place(isNative);
  bpf.load(NUMBER_AT);
  // Calls of the x32 interface have bit 30 set and are above it too.
  const isKnown = bpf.label();
  bpf.ifAtLeast(LAST_KNOWN_SYSTEM_CALL + 1, undefined, isKnown);
  bpf.return(refusal(ENOSYS));
  bpf.place(isKnown);
  for (const name of ABSENT) when(name, () => bpf.return(ERROR | ENOSYS));
  for (const name of REFUSED) when(name, () => bpf.return(refusal(EPERM)));
  if (denyTruncate) when("truncate", () => bpf.return(refusal(EPERM)));

  when("clone", () =>
    refuseIf((refused, allowed) => {
      bpf.load(argumentAt(0));
      bpf.ifAnyBit(NEW_NAMESPACE, refused, allowed);
    }),
  );
  // The first two put characters into a terminal's input, which the shell behind it then obeys; the third makes another
  // driver of the kernel treat what comes through the terminal. The kernel looks at 32 bits.
  when("ioctl", () =>
    refuseIf((refused, allowed) => {
      bpf.load(argumentAt(1));
      bpf.ifEqual(TIOCSTI, refused);
      bpf.ifEqual(TIOCLINUX, refused);
      bpf.ifEqual(TIOCSETD, refused, allowed);
    }),
  );
  // Limits of another process: reading them is fine.
  when("prlimit64", () =>
    refuseIf((refused, allowed) => {
      bpf.load(argumentAt(0));
      bpf.ifEqual(0, allowed);
      bpf.load(argumentAt(2));
      bpf.ifEqual(0, undefined, refused);
      bpf.load(argumentAt(2) + 4);
      bpf.ifEqual(0, allowed, refused);
    }),
  );
  for (const name of SCHEDULING)
    when(name, () =>
      refuseIf((refused, allowed) => {
        bpf.load(argumentAt(0));
        bpf.ifEqual(0, allowed, refused);
      }),
    );
  for (const [name, ownKind] of [
    ["setpriority", PRIO_PROCESS],
    ["ioprio_set", IOPRIO_WHO_PROCESS],
  ] as const)
    when(name, () =>
      refuseIf((refused, allowed) => {
        bpf.load(argumentAt(0));
        bpf.ifEqual(ownKind, undefined, refused);
        bpf.load(argumentAt(1));
        bpf.ifEqual(0, allowed, refused);
      }),
    );
  for (const [name, mode] of MODES)
    when(name, () =>
      refuseIf((refused, allowed) => {
        bpf.load(argumentAt(mode));
        bpf.ifAnyBit(SET_ID_BITS, refused, allowed);
      }),
    );
  for (const [name, flags, mode] of OPENS)
    when(name, () =>
      refuseIf((refused, allowed) => {
        bpf.load(argumentAt(flags));
        bpf.ifAnyBit(O_CREAT_OR_TMPFILE, undefined, allowed);
        bpf.load(argumentAt(mode));
        bpf.ifAnyBit(SET_ID_BITS, refused, allowed);
      }),
    );
  for (const [name, flags] of SENDS)
    when(name, () =>
      refuseIf((refused, allowed) => {
        bpf.load(argumentAt(flags));
        bpf.ifAnyBit(MSG_FASTOPEN, refused, allowed);
      }),
    );
  when("socketpair", () =>
    refuseIf((refused, allowed) => {
      bpf.load(argumentAt(0));
      bpf.ifEqual(FAMILY.unix, undefined, refused);
      if (unix || notify) return;
      // A datagram socket of a pair can send to, and connect to, any other one by its path; "raw" is such a one too.
      bpf.load(argumentAt(1));
      bpf.and(TYPE_MASK);
      bpf.ifEqual(STREAM, allowed);
      bpf.ifEqual(SEQUENCED, allowed, refused);
    }, EACCES),
  );
  when("socket", () => refuseIf((refused, allowed) => socketTest(bpf, facts, refused, allowed), EACCES));
  // listen(2) on a socket without a port gets one of the kernel's choice, and Landlock is not asked.
  if (!listens && !unix) when("listen", () => bpf.return(refusal(EACCES)));
  choose(
    bpf,
    cases.toSorted((a, b) => a.number - b.number),
  );
  return bpf.assemble();
}

/** What is done about one system call. Its body ends with a return. */
type Case = { number: number; body: () => void };
/** So few are compared one after the other. */
const MAX_IN_A_ROW = 3;

/**
 * Finds the case of a system call by halves; what has none is allowed. The kernel goes through the whole filter once for each
 * system call there is when it is set, and at every call whose arguments matter: openat(2) is one.
 */
function choose(bpf: BpfAssembler, cases: readonly Case[]): void {
  if (cases.length > MAX_IN_A_ROW) {
    const middle = cases.length >> 1;
    const upper = bpf.label();
    bpf.ifAtLeast((cases[middle] as Case).number, upper);
    choose(bpf, cases.slice(0, middle));
    bpf.place(upper);
    choose(bpf, cases.slice(middle));
    return;
  }
  for (const { number, body } of cases) {
    const next = bpf.label();
    bpf.ifEqual(number, undefined, next);
    body();
    bpf.place(next);
  }
  bpf.return(ALLOW);
}

/** socket(family, type, protocol): only what is named. MPTCP, SCTP, raw, packet, vsock and the rest never are. */
function socketTest(bpf: BpfAssembler, facts: FilterFacts, refused: Label, allowed: Label): void {
  const { connects, listens, udp, unix, notify } = facts;
  const hasTcp = connects || listens;
  const hasInternet = hasTcp || udp;
  const [isUnix, isInternet, isNetlink] = [bpf.label(), bpf.label(), bpf.label()];
  bpf.load(argumentAt(0));
  if (unix) bpf.ifEqual(FAMILY.unix, allowed);
  else if (notify) bpf.ifEqual(FAMILY.unix, isUnix);
  if (hasInternet) {
    bpf.ifEqual(FAMILY.inet, isInternet);
    bpf.ifEqual(FAMILY.inet6, isInternet);
    // Name look-ups ask the kernel which addresses the machine has. Changing them takes a capability.
    bpf.ifEqual(FAMILY.netlink, isNetlink);
  }
  bpf.ifAtLeast(0, refused);
  if (notify && !unix) {
    bpf.place(isUnix);
    bpf.load(argumentAt(1));
    bpf.and(TYPE_MASK);
    bpf.ifEqual(DATAGRAM, allowed, refused);
  }
  if (!hasInternet) return;
  bpf.place(isNetlink);
  bpf.load(argumentAt(2));
  bpf.ifEqual(NETLINK_ROUTE, allowed, refused);
  bpf.place(isInternet);
  const [isStream, isDatagram] = [bpf.label(), bpf.label()];
  bpf.load(argumentAt(1));
  bpf.and(TYPE_MASK);
  if (hasTcp) bpf.ifEqual(STREAM, isStream);
  if (udp) bpf.ifEqual(DATAGRAM, isDatagram);
  bpf.ifAtLeast(0, refused);
  for (const [label, isWanted, protocol] of [
    [isStream, hasTcp, TCP],
    [isDatagram, udp, UDP],
  ] as const) {
    if (!isWanted) continue;
    bpf.place(label);
    bpf.load(argumentAt(2));
    bpf.ifEqual(0, allowed);
    bpf.ifEqual(protocol, allowed, refused);
  }
}
