import { describe, expect, test } from "bun:test";

import { BpfAssembler, MAX_INSTRUCTIONS } from "../../../src/process/confinement/bpf.ts";
import { seccompFilter } from "../../../src/process/confinement/seccomp-filter.ts";
import {
  type Arch,
  findSystemCall,
  LAST_KNOWN_SYSTEM_CALL,
  type SystemCall,
} from "../../../src/process/confinement/system-calls.ts";

const AUDIT_ARCH = { x64: 0xc000_003e, arm64: 0xc000_00b7 };
const nothing = { net: { connect: [], listen: [], udp: false }, unix: false, notify: false };

/** What the kernel's interpreter of classic BPF would return for one system call. */
function evaluate(filter: Buffer, call: { arch: number; number: number; args?: number[] }): string {
  const data = Buffer.alloc(64);
  data.writeInt32LE(call.number, 0);
  data.writeUInt32LE(call.arch, 4);
  for (const [i, value] of (call.args ?? []).entries())
    data.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), 16 + 8 * i);
  let accumulator = 0;
  for (let at = 0; at < filter.length; at += 8) {
    const [code, yes, no] = [filter.readUInt16LE(at), filter[at + 2] as number, filter[at + 3] as number];
    const value = filter.readUInt32LE(at + 4);
    const jump = (holds: boolean) => void (at += 8 * (holds ? yes : no));
    if (code === 0x20) accumulator = data.readUInt32LE(value);
    else if (code === 0x54) accumulator = (accumulator & value) >>> 0;
    else if (code === 0x15) jump(accumulator === value);
    else if (code === 0x35) jump(accumulator >= value);
    else if (code === 0x45) jump((accumulator & value) !== 0);
    else if (code === 0x06) {
      if (value === 0x7fff_0000) return "allow";
      return value === 0x8000_0000 ? "kill" : `errno ${value & 0xffff}`;
    } else throw new Error(`code ${code}`);
  }
  throw new Error("the program does not end");
}

describe.each(["x64", "arm64"] as Arch[])("the filter on %s", (arch) => {
  const ask = (policy: Parameters<typeof seccompFilter>[0], name: SystemCall, ...args: number[]) => {
    const number = findSystemCall(name, arch) as number;
    return evaluate(seccompFilter(policy, arch, false), { arch: AUDIT_ARCH[arch], number, args });
  };

  test("allows what programs live on", () => {
    for (const name of [
      "openat",
      "close",
      "write",
      "execve",
      "rt_sigaction",
      "clone",
      "chdir",
      "prctl",
    ] as const)
      expect(ask(nothing, name), name).toBe("allow");
  });

  test("refuses what changes the machine or another process", () => {
    for (const name of [
      "ptrace",
      "mount",
      "bpf",
      "setns",
      "keyctl",
      "reboot",
      "pidfd_getfd",
      "shmget",
    ] as const)
      expect(ask(nothing, name), name).toBe("errno 1");
    for (const name of ["clone3", "openat2", "io_uring_setup", "file_setattr", "listmount"] as const)
      expect(ask(nothing, name), name).toBe("errno 38");
  });

  test("kills what calls by another architecture's numbers, and does not know what is newer than itself", () => {
    const filter = seccompFilter(nothing, arch, false);
    const other = arch === "x64" ? 0x4000_0003 : 0x4000_0028;
    expect(evaluate(filter, { arch: other, number: 1 })).toBe("kill");
    // removexattrat, which is one of the last that are known, and harmless.
    const known = { arch: AUDIT_ARCH[arch], number: 466 };
    expect(known.number).toBeLessThanOrEqual(LAST_KNOWN_SYSTEM_CALL);
    expect(evaluate(filter, known)).toBe("allow");
    expect(evaluate(filter, { ...known, number: LAST_KNOWN_SYSTEM_CALL + 1 })).toBe("errno 38");
    // x32: the same architecture, with bit 30 set.
    expect(evaluate(filter, { ...known, number: 0x4000_0000 + 101 })).toBe("errno 38");
    expect(evaluate(filter, { ...known, number: -1 })).toBe("errno 38");
  });

  test("looks at the bits of arguments that the kernel looks at", () => {
    expect(ask(nothing, "clone", 0x11)).toBe("allow");
    expect(ask(nothing, "clone", 0x1000_0000 | 0x11)).toBe("errno 1");
    expect(ask(nothing, "ioctl", 0, 0x5412)).toBe("errno 1");
    // The kernel takes 32 bits of the request: the upper half changes nothing.
    expect(ask(nothing, "ioctl", 0, 0x1_0000_5412)).toBe("errno 1");
    expect(ask(nothing, "ioctl", 0, 0x5401)).toBe("allow");
    expect(ask(nothing, "fchmod", 3, 0o755)).toBe("allow");
    expect(ask(nothing, "fchmod", 3, 0o4755)).toBe("errno 1");
    expect(ask(nothing, "openat", -100, 0, 0o101, 0o644)).toBe("allow");
    expect(ask(nothing, "openat", -100, 0, 0o101, 0o2755)).toBe("errno 1");
    // Without O_CREAT the fourth argument is whatever was in the register.
    expect(ask(nothing, "openat", -100, 0, 0, 0o6777)).toBe("allow");
    expect(ask(nothing, "prlimit64", 0, 7, 1)).toBe("allow");
    expect(ask(nothing, "prlimit64", 99, 7, 0)).toBe("allow");
    expect(ask(nothing, "prlimit64", 99, 7, 2 ** 32)).toBe("errno 1");
    expect(ask(nothing, "setpriority", 0, 0, 5)).toBe("allow");
    expect(ask(nothing, "setpriority", 1, 0, 5)).toBe("errno 1");
    expect(ask(nothing, "sendto", 3, 0, 0, 0x2000_0000)).toBe("errno 1");
  });

  test("has no sockets, but what is granted", () => {
    const [unix, inet, inet6, netlink, packet] = [1, 2, 10, 16, 17];
    const flags = 0o2_004_000; // SOCK_CLOEXEC and SOCK_NONBLOCK are in the type.
    for (const family of [unix, inet, inet6, netlink, packet])
      expect(ask(nothing, "socket", family, 1, 0)).toBe("errno 13");
    const tcp = { ...nothing, net: { connect: [443], listen: [], udp: false } };
    expect(ask(tcp, "socket", inet, 1 | flags, 0)).toBe("allow");
    expect(ask(tcp, "socket", inet6, 1, 6)).toBe("allow");
    expect(ask(tcp, "socket", inet, 1, 262)).toBe("errno 13");
    expect(ask(tcp, "socket", inet, 2, 0)).toBe("errno 13");
    expect(ask(tcp, "socket", inet, 3, 1)).toBe("errno 13");
    expect(ask(tcp, "socket", netlink, 3, 0)).toBe("allow");
    expect(ask(tcp, "socket", netlink, 3, 9)).toBe("errno 13");
    expect(ask(tcp, "listen", 3, 1)).toBe("errno 13");
    expect(ask({ ...nothing, net: { connect: [], listen: [80], udp: false } }, "listen", 3, 1)).toBe("allow");
    const udp = { ...nothing, net: { connect: [], listen: [], udp: true } };
    expect(ask(udp, "socket", inet, 2, 17)).toBe("allow");
    expect(ask(udp, "socket", inet, 1, 0)).toBe("errno 13");
    expect(ask({ ...nothing, unix: true }, "socket", unix, 5, 0)).toBe("allow");
    expect(ask({ ...nothing, unix: true }, "socket", inet, 1, 0)).toBe("errno 13");
    expect(ask({ ...nothing, notify: true }, "socket", unix, 2 | flags, 0)).toBe("allow");
    expect(ask({ ...nothing, notify: true }, "socket", unix, 1, 0)).toBe("errno 13");
    expect(ask({ ...nothing, notify: true }, "socket", inet, 2, 0)).toBe("errno 13");
    for (const type of [1, 5]) expect(ask(nothing, "socketpair", unix, type | flags, 0)).toBe("allow");
    for (const type of [2, 3]) expect(ask(nothing, "socketpair", unix, type, 0)).toBe("errno 13");
    expect(ask(nothing, "socketpair", inet, 1, 0)).toBe("errno 13");
  });

  test("refuses truncate where Landlock does not look at it", () => {
    const number = findSystemCall("truncate", arch) as number;
    const call = { arch: AUDIT_ARCH[arch], number };
    expect(evaluate(seccompFilter(nothing, arch, false), call)).toBe("allow");
    expect(evaluate(seccompFilter(nothing, arch, true), call)).toBe("errno 1");
  });
});

describe("the assembler", () => {
  test("refuses a program that is too long for the kernel", () => {
    const bpf = new BpfAssembler();
    for (let n = 0; n < MAX_INSTRUCTIONS; n++) bpf.return(0);
    expect(bpf.assemble().length).toBe(8 * MAX_INSTRUCTIONS);
    bpf.return(0);
    expect(() => bpf.assemble()).toThrow("4097 BPF instructions are too many");
  });

  test("refuses a jump that does not fit, or goes nowhere", () => {
    const jump = (distance: number) => {
      const bpf = new BpfAssembler();
      const label = bpf.label();
      bpf.ifEqual(0, label);
      for (let n = 0; n < distance; n++) bpf.return(0);
      bpf.place(label);
      bpf.return(0);
      return bpf.assemble();
    };
    expect(jump(255)[2]).toBe(255);
    expect(() => jump(256)).toThrow("a BPF jump of 256 is not possible");
    const bpf = new BpfAssembler();
    bpf.ifEqual(0, bpf.label());
    expect(() => bpf.assemble()).toThrow("not possible");
  });
});
