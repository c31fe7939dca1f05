/** A system call that is refused: its number here, and the errno; where given, only with this second argument. */
type Refusal = readonly [number: number, errno: number, second?: number];

/** Those from before 2019 have another number on each processor. */
const older =
  process.arch === "arm64" ? { seccomp: 277, memfdCreate: 279 } : { seccomp: 317, memfdCreate: 319 };

/** What a test takes away from the kernel. */
export const lacking = {
  /** There is no Landlock, as on an old kernel. */
  landlock: [444, 38],
  /** The same, behind a sandbox that refuses it. */
  landlockInSandbox: [444, 1],
  /** No filters for system calls. */
  seccomp: [older.seccomp, 38],
  /** Nobody may have namespaces, as in most containers. */
  namespaces: [442, 1],
  /** Landlock is there, and fails when it is used. */
  restriction: [446, 1],
  /** The same, but only where a port is granted: LANDLOCK_RULE_NET_PORT. */
  ports: [445, 1, 2],
  /** Nobody may watch files, as where all of a user's watches are taken. */
  inotify: [294, 24],
  /** There are no files in memory, and so nothing can be executed from there. */
  memory: [older.memfdCreate, 1],
} as const satisfies Record<string, Refusal>;

/** Before a command line: runs it on a kernel that refuses some system calls. Nobody needs any rights for that. */
export function onLesserKernel(...refused: readonly Refusal[]): string[] {
  return ["/usr/bin/python3", "-c", script, JSON.stringify(refused)];
}

export const canBeLesser = process.platform === "linux" && Bun.which("/usr/bin/python3") !== null;

// struct seccomp_data has the number at 0 and the second argument at 24.
const script = `
import ctypes, json, os, struct, sys
libc = ctypes.CDLL(None)
steps = []
for number, errno, *second in json.loads(sys.argv[1]):
    answer = (0x06, 0, 0, 0x50000 | errno)
    test = [(0x20, 0, 0, 24), (0x15, 0, 1, second[0])] if second else []
    steps += [(0x20, 0, 0, 0), (0x15, 0, len(test) + 1, number), *test, answer]
steps.append((0x06, 0, 0, 0x7FFF0000))
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, ctypes.byref(Program(len(steps), ctypes.addressof(code))), 0, 0) == 0
os.execvp(sys.argv[2], sys.argv[2:])
`;
