/**
 * What alone stops an attack; every start also drops privileges, closes descriptors and sets limits. Where there is a
 * namespace for processes or the network, there is one for mounts.
 */
type Stopper = "landlock" | "seccomp" | "mount-namespace" | "process-namespace" | "network-namespace";

export type Attack = {
  name: string;
  /** Each of these alone stops it. None: nothing does, and that is documented. */
  by: readonly Stopper[];
  /** Nobody but root could do it anyway. */
  needsRoot?: true;
  /** What every start does stops it, even without a layer: for everybody, or for root whose capabilities are dropped. */
  always?: "everybody" | "root";
  /** Not without the launcher. */
  needsLauncher?: true;
};

const files = { by: ["landlock", "mount-namespace"] } as const;
const reading = { by: ["landlock"] } as const;
const metadata = { by: ["mount-namespace"] } as const;
const filter = { by: ["seccomp"] } as const;
const signals = { by: ["landlock", "process-namespace"] } as const;
const connecting = { by: ["seccomp", "network-namespace"] } as const;
/** A process outside is not in the Landlock domain, nor in the user namespace, and has capabilities where root has. */
const tracing = {
  by: ["landlock", "seccomp", "mount-namespace", "process-namespace"],
  always: "root",
} as const;
const looking = { by: ["landlock", "mount-namespace", "process-namespace"], always: "root" } as const;
const capability = { by: ["seccomp"], needsRoot: true, always: "root" } as const;
const scheduling = { by: ["seccomp", "process-namespace"], always: "root" } as const;
const exception = { by: [] } as const;

/** The attacks of attack.c with a policy that grants nothing beyond the baseline. */
export const attacks: readonly Attack[] = [
  { name: "read", ...reading },
  { name: "list", ...reading },
  { name: "write", ...files },
  { name: "append", ...files },
  { name: "create", ...files },
  { name: "tmpfile", ...files },
  // Where Landlock does not check truncate(2), below ABI 3, the filter refuses it altogether.
  { name: "truncate", by: ["landlock", "seccomp", "mount-namespace"] },
  { name: "unlink", ...files },
  { name: "mkdir", ...files },
  { name: "rmdir", ...files },
  { name: "rename-there", ...files },
  { name: "rename-in", ...files },
  { name: "rename-out", ...files },
  { name: "exchange", ...files },
  { name: "link-in", ...files },
  { name: "link-out", ...files },
  { name: "symlink", ...files },
  { name: "read-by-symlink", ...reading },
  { name: "read-by-dotdot", ...reading },
  { name: "read-by-proc-root", ...reading },
  { name: "fifo", ...files },
  { name: "device", by: ["landlock"], needsRoot: true, always: "root" },
  { name: "block-device", by: ["landlock"], needsRoot: true, always: "root" },
  { name: "execute", ...reading },
  { name: "execute-data", ...reading },
  { name: "shadow", ...reading, needsRoot: true },
  { name: "sysctl", ...files, needsRoot: true },
  { name: "kernel-log", ...reading, needsRoot: true },
  { name: "shared-memory", ...files },
  { name: "chmod", ...metadata },
  { name: "chown", ...metadata },
  { name: "utimes", ...metadata },
  { name: "setxattr", ...metadata },
  { name: "setxattrat", ...metadata },
  { name: "file-attributes", ...filter },
  { name: "set-file-attributes", by: ["seccomp", "mount-namespace"] },
  { name: "fchmod-by-path-descriptor", ...metadata },
  { name: "inherited", by: [], always: "everybody" },
  // Information that Landlock does not keep, and what the pack had in its data before it was confined.
  { name: "stat", ...exception },
  { name: "access", ...exception },
  { name: "chdir", ...exception },
  { name: "statfs", ...exception },
  { name: "inotify", ...exception },
  // It runs what it could have read and interpreted as well.
  { name: "execute-from-memory", ...exception },
  { name: "command-line", by: ["process-namespace"] },
  { name: "process-facts", by: ["process-namespace"] },
  { name: "premade-link", ...exception },

  { name: "any-family", ...filter },
  { name: "tcp-connect", by: ["landlock", "seccomp", "network-namespace"] },
  { name: "tcp-bind", by: ["landlock", "seccomp"] },
  { name: "tcp-listen-unbound", ...filter },
  { name: "tcp-fast-open", ...connecting },
  { name: "tcp-fast-open-message", ...connecting },
  { name: "mptcp-connect", ...connecting },
  { name: "udp-send", ...connecting },
  { name: "udp-ipv6", ...filter },
  { name: "raw-socket", ...capability },
  { name: "packet-socket", ...capability },
  { name: "sctp", ...filter },
  { name: "netlink", ...filter },
  { name: "netlink-audit", ...filter },
  { name: "vsock", ...filter },
  { name: "crypto-socket", ...filter },
  { name: "unix-path", ...filter },
  { name: "unix-datagram", ...filter },
  { name: "unix-abstract", by: ["landlock", "seccomp", "network-namespace"] },
  { name: "unix-pair-datagram", ...filter },
  { name: "unix-pair-raw", ...filter },
  // A pair of its own is no way out.
  { name: "unix-pair-stream", ...exception },

  { name: "kill", ...signals },
  { name: "thread-kill", ...signals },
  { name: "pidfd-signal", ...signals },
  { name: "queue-signal", ...signals },
  { name: "ptrace", ...tracing },
  { name: "read-memory", ...tracing },
  { name: "write-memory", ...tracing },
  { name: "take-descriptor", ...tracing },
  { name: "compare", ...tracing },
  { name: "proc-memory", ...looking },
  { name: "proc-environment", ...looking },
  { name: "proc-root", ...looking },
  { name: "proc-directory", ...looking },
  { name: "proc-descriptors", ...looking },
  { name: "proc-oom-score", ...files },
  { name: "proc-name", ...files },
  { name: "process-namespaces", ...looking },
  { name: "priority", ...scheduling },
  { name: "processors", ...scheduling },
  { name: "scheduler", ...scheduling },
  { name: "io-priority", ...scheduling },
  { name: "limits", by: ["seccomp", "process-namespace"] },

  { name: "mount", ...capability },
  { name: "new-mount-api", ...capability },
  { name: "list-mounts", ...filter },
  { name: "look-at-mount", ...filter },
  { name: "quota", ...filter },
  { name: "foreign-architecture", ...filter },
  { name: "unshare-user", ...filter },
  { name: "unshare-mount", ...capability },
  { name: "clone-user", ...filter },
  { name: "clone3-user", ...filter },
  { name: "setns", ...capability },
  { name: "chroot", ...capability },
  { name: "bpf", ...capability },
  { name: "add-key", ...filter },
  { name: "keyctl", ...filter },
  { name: "perf", ...filter },
  { name: "userfaultfd", ...filter },
  { name: "io-uring", ...filter },
  { name: "handle", ...filter },
  { name: "fanotify", ...filter },
  { name: "hostname", ...capability },
  { name: "kernel-messages", ...capability },
  { name: "set-clock", ...capability },
  { name: "unload-module", ...filter },
  { name: "kexec", ...filter },
  { name: "io-ports", ...filter },
  { name: "shm-segment", ...filter },
  { name: "semaphore", ...filter },
  { name: "message-queue", ...filter },
  { name: "posix-queue", by: ["landlock", "seccomp"] },
  { name: "terminal-input", ...filter },
  { name: "line-discipline", ...filter },

  { name: "set-id-chmod", ...filter },
  { name: "set-id-fchmodat2", ...filter },
  { name: "set-id-open", ...filter },
  { name: "set-id-openat2", ...filter },
  { name: "set-id-mknod", ...filter },
  { name: "new-privileges", by: [], always: "everybody" },
  { name: "other-user", by: [], needsRoot: true, always: "root" },
  { name: "capabilities", by: [], needsRoot: true, always: "root" },

  { name: "memory", by: [], always: "everybody", needsLauncher: true },
  { name: "open-files", by: [], always: "everybody" },
  { name: "large-file", by: [], always: "everybody" },
  // RLIMIT_NPROC: in a user namespace of its own, and so never for root; there a user of its own is the remedy.
  { name: "fork-bomb", by: ["mount-namespace"] },
];
