/** Numbers on x86-64 and errors of system calls, by which a test takes something away from the kernel. */
export const lacking = {
  /** There is no Landlock, as on an old kernel. */
  landlock: [444, 38],
  /** Nobody may have namespaces, as in most containers. */
  namespaces: [442, 1],
  /** Landlock is there, and fails when it is used. */
  restrictSelf: [446, 7],
} as const;

/**
 * Before a command line: runs it on a kernel that refuses some system calls. Whoever runs it needs no rights for that. x86-64
 * and Python only: see `canBeLesser`.
 *
 * @param refused numbers of system calls, each with the errno to answer
 */
export function onLesserKernel(...refused: readonly (readonly [number: number, errno: number])[]): string[] {
  return ["/usr/bin/python3", "-c", script, JSON.stringify(refused)];
}

export const canBeLesser =
  process.platform === "linux" && process.arch === "x64" && Bun.which("python3") !== null;

const script = `
import ctypes, json, os, struct, sys
libc = ctypes.CDLL(None)
steps = [(0x20, 0, 0, 0)]
for number, errno in json.loads(sys.argv[1]):
    steps += [(0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | errno)]
steps.append((0x06, 0, 0, 0x7FFF0000))
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, ctypes.byref(Program(len(steps), ctypes.addressof(code))), 0, 0) == 0
os.execvp(sys.argv[2], sys.argv[2:])
`;
