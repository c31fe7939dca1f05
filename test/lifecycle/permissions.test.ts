import { describe, expect, test } from "bun:test";

import {
  approvedPart,
  noPermissions,
  permissionGrowth,
  type Permissions,
  raisedLimits,
} from "../../src/lifecycle/permissions.ts";

const some = (part: Partial<Permissions>): Permissions => ({ ...noPermissions, ...part });

describe("what has to be approved anew", () => {
  test.each<[string, Partial<Permissions>, Partial<Permissions>, string[]]>([
    ["nothing for the same", { read: ["/a"], unix: true }, { read: ["/a"], unix: true }, []],
    ["nothing for less", { read: ["/a", "/b"], connect: [1, 2], udp: true }, { connect: [2] }, []],
    ["nothing for a path below", { write: ["/srv"] }, { write: ["/srv/a"], read: ["/srv/b"] }, []],
    ["a path that only begins the same", { read: ["/srv"] }, { read: ["/srvx"] }, ["read /srvx"]],
    ["a path above", { read: ["/srv/a"] }, { read: ["/srv"] }, ["read /srv"]],
    ["writing what could be read", { read: ["/srv"] }, { write: ["/srv"] }, ["write /srv"]],
    ["below the root", { read: ["/"] }, { read: ["/srv"] }, []],
    [
      "ports, each by its use",
      { connect: [443] },
      { connect: [443, 80], listen: [443] },
      ["connect to port 80", "listen on port 443"],
    ],
    ["sockets", {}, { udp: true, unix: true }, ["use UDP", "use Unix sockets"]],
    ["programs and variables", { env: ["A"] }, { run: ["deno"], env: ["A", "B*"] }, ["run deno", "see B*"]],
  ])("%s", (_name, granted, asked, growth) => {
    expect(permissionGrowth(some(granted), some(asked))).toEqual(growth);
  });
});

test("a limit that is raised or gone has to be approved, a lower or a new one has not", () => {
  const limits = (memory: number | null, processes: number | null) => ({
    memory_bytes: memory,
    processes,
    open_files: null,
    file_size_bytes: null,
    cpu_seconds: null,
  });
  expect(raisedLimits(limits(100, 10), limits(200, null))).toEqual([
    "raise the limit memory_bytes from 100 to 200",
    "go without the limit processes",
  ]);
  expect(raisedLimits(limits(100, null), limits(50, 5))).toEqual([]);
  expect(raisedLimits(undefined, limits(null, null))).toEqual([]);
});

test("before the approval there is only what was approved before", () => {
  const granted = some({ read: ["/srv"], connect: [443], env: ["A"] });
  const asked = some({
    read: ["/srv/a", "/etc/b"],
    write: ["/srv"],
    connect: [443, 80],
    udp: true,
    env: ["A", "B"],
  });
  expect(approvedPart(granted, asked)).toEqual(some({ read: ["/srv/a"], connect: [443], env: ["A"] }));
  expect(approvedPart(asked, asked)).toEqual(asked);
});
