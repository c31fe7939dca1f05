import { describe, expect, test } from "bun:test";

import { openDomains, parseReports } from "../../../src/process/confinement/audit-records.ts";

const isOurs = (program: string) => program.startsWith("/memfd:aurora-launcher");
const parse = (...records: readonly [type: number, text: string][]) =>
  parseReports(
    records.map(([type, text]) => ({ type, text })),
    "x64",
    isOurs,
  );

test("the filter for system calls reports the process and the call", () => {
  const record = (comm: string, call: number, code: string): [number, string] => [
    1326,
    `audit(1.2:3): auid=1 uid=0 gid=0 ses=1 pid=42 comm=${comm} exe="/bin/x" sig=0 arch=c000003e syscall=${call} compat=0 ip=0x1 code=${code}`,
  ];
  expect(
    parse(
      record('"nc"', 41, "0x7ffc0000"),
      record("6120622263", 101, "0x7ffc0000"),
      record('"other"', 41, "0x50001"),
      [1107, "audit(1.2:4): something else"],
    ),
  ).toEqual({
    reports: [
      { pid: 42, command: "nc", call: "socket", right: null, object: null },
      { pid: 42, command: 'a b"c', call: "ptrace", right: null, object: null },
    ],
    isComplete: true,
  });
});

describe("what Landlock refuses", () => {
  const LAUNCHER = "exe=2F6D656D66643A6175726F72612D6C61756E63686572202864656C6574656429";
  const allocated = (event: string, exe = LAUNCHER): [number, string] => [
    1424,
    `audit(${event}): domain=1b4922458 status=allocated mode=enforcing pid=325 uid=1900055361 ${exe} comm="17"`,
  ];
  const deallocated = (denials: number): [number, string] => [
    1424,
    `audit(1796014883.452:64): domain=1b4922458 status=deallocated denials=${denials}`,
  ];
  const access = (event: string, rest: string): [number, string] => [
    1423,
    `audit(${event}): domain=1b4922458 blockers=${rest}`,
  ];

  test("is told with its process, its call and what it was refused for", () => {
    const found = parse(
      access("1796014882.936:63", 'fs.read_file path=2F7372762F6120736563726574 dev="nvme0n1" ino=16640'),
      allocated("1796014882.936:63"),
      [
        1300,
        'audit(1796014882.936:63): arch=c000003e syscall=257 success=no exit=-13 a0=ffffffffffffff9c a1=7ffdb612dd13 a2=0 a3=0 items=0 ppid=325 pid=327 auid=4294967295 uid=1900055361 comm="cat" exe="/usr/bin/cat" subj=unconfined key=(null)',
      ],
      access("1796014882.936:64", 'fs.make_reg,fs.refer path="/srv" dev="nvme0n1" ino=1'),
      access("1796014882.936:65", "net.connect_tcp daddr=127.0.0.1 dest=80"),
      access("1796014882.936:66", "net.bind_tcp src=8081"),
      access("1796014882.936:67", 'scope.signal opid=1 ocomm="systemd"'),
      access("1796014882.936:68", "fs.change_topology"),
      deallocated(6),
    );
    // Who it was is told by the record of the call, which is written only where audit was on when the process began.
    const unknown = { pid: 325, command: "17", call: null };
    expect(found).toEqual({
      reports: [
        { pid: 327, command: "cat", call: "openat", right: "fs.read_file", object: "/srv/a secret" },
        { ...unknown, right: "fs.make_reg,fs.refer", object: "/srv" },
        { ...unknown, right: "net.connect_tcp", object: "port 80" },
        { ...unknown, right: "net.bind_tcp", object: "port 8081" },
        { ...unknown, right: "scope.signal", object: "systemd 1" },
        { ...unknown, right: "fs.change_topology", object: null },
      ],
      isComplete: true,
    });
  });

  test("is left out where a program has restricted itself", () => {
    const found = parse(
      access("1.2:3", 'fs.read_file path="/a" dev="b" ino=1'),
      allocated("1.2:3", 'exe="/bin/x"'),
    );
    expect(found).toEqual({ reports: [], isComplete: true });
  });

  test("is not complete where the kernel counts more", () => {
    const records = [access("1.2:3", 'fs.read_file path="/a" dev="b" ino=1'), allocated("1.2:3")];
    expect(parse(...records, deallocated(1)).isComplete).toBe(true);
    expect(parse(...records, deallocated(2)).isComplete).toBe(false);
  });

  test("comes to an end", () => {
    const open = (...records: readonly [number, string][]) =>
      openDomains(
        records.map(([type, text]) => ({ type, text })),
        isOurs,
      );
    expect(open()).toBe(0);
    expect(open(allocated("1.2:3"))).toBe(1);
    expect(open(allocated("1.2:3"), deallocated(1))).toBe(0);
  });
});
