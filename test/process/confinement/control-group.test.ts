import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import {
  controlGroupReason,
  openControlGroup,
  removeForgottenGroups,
  renewControlGroup,
  startGroupOf,
} from "../../../src/process/confinement/control-group.ts";
import { run } from "../../../src/process/run.ts";
import { spawnChild } from "../../../src/process/spawn-child.ts";
import { findProcesses, stopTree } from "../../../src/process/tree.ts";
import { groupMembers, killGroup, makeGroup, removeGroup } from "../../../src/system/control-group.ts";
import { scratch } from "../../support/aurora.ts";
import { topGroup } from "../../support/top-group.ts";

const env = { PATH: "/usr/bin:/bin" };
const mounted = "30 23 0:26 / /cg rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";

/** A machine of plain files, with this process in a group that is delegated to it. */
function machine(own = "user/one") {
  const place = scratch();
  const group = join(place.path, "cg/user/one");
  mkdirSync(join(place.path, "proc/self"), { recursive: true });
  mkdirSync(join(place.path, "cg", own), { recursive: true });
  writeFileSync(join(place.path, "proc/self/cgroup"), `0::/${own}\n`);
  writeFileSync(join(place.path, "proc/self/mountinfo"), mounted);
  writeFileSync(join(group, "cgroup.controllers"), "cpu memory pids\n");
  writeFileSync(join(group, "cgroup.subtree_control"), "memory pids\n");
  writeFileSync(join(group, "cgroup.procs"), `${process.pid}\n`);
  return { ...place, group };
}

describe("a control group for a start, on a machine of files", () => {
  test("has the limits", () => {
    using place = machine();
    const { directory } = openControlGroup({ memory_bytes: 1 << 20, processes: 5 }, place.path);
    expect(directory).toStartWith(`${place.group}/aurora-${process.pid}-`);
    const value = (name: string) => readFileSync(join(directory, name), "latin1");
    expect(value("memory.max")).toBe("1048576");
    expect(value("memory.swap.max")).toBe("0");
    expect(value("memory.oom.group")).toBe("1");
    // Two more for what the launcher leaves above the command.
    expect(value("pids.max")).toBe("7");
  });

  test("has no limit that is not set", () => {
    using place = machine();
    const { directory } = openControlGroup({ memory_bytes: null, processes: null }, place.path);
    expect(readdirSync(directory)).toEqual([]);
  });

  test("clears away the empty ones of starts that have ended", () => {
    using place = machine();
    const [gone, alive] = ["aurora-999999999-1", "aurora-1-1"];
    for (const name of [gone, alive, "aurora-self", "other"]) mkdirSync(join(place.group, name));
    openControlGroup({ memory_bytes: null, processes: null }, place.path);
    for (const [name, isThere] of [
      [gone, false],
      [alive, true],
      ["aurora-self", true],
      ["other", true],
    ] as const)
      expect(existsSync(join(place.group, name)), name).toBe(isThere);
  });

  test("lies beside the group that this process has been moved to", () => {
    using place = machine("user/one/aurora-self");
    expect(controlGroupReason(place.path)).toBeNull();
    const { directory } = openControlGroup({ memory_bytes: null, processes: null }, place.path);
    expect(directory).toStartWith(`${place.group}/aurora-${process.pid}-`);
  });

  test("gets a name that no living start of this very process has, from before it became another program file", () => {
    using place = machine();
    const limits = { memory_bytes: null, processes: null };
    const first = openControlGroup(limits, place.path).directory;
    const next = Number(first.split("-").at(-1)) + 1;
    const taken = join(place.group, `aurora-${process.pid}-${next}`);
    mkdirSync(taken);
    writeFileSync(join(taken, "cgroup.procs"), "1\n");
    expect(openControlGroup(limits, place.path).directory).toEndWith(`-${next + 1}`);
  });

  test("gets its limits again when another daemon takes the start over", () => {
    using place = machine();
    const limits = { memory_bytes: 1 << 20, processes: 5 };
    const inGroup = (pid: number, group: string) => {
      mkdirSync(join(place.group, group), { recursive: true });
      writeFileSync(join(place.group, group, "cgroup.procs"), `${pid}\n`);
      mkdirSync(join(place.path, `proc/${pid}`), { recursive: true });
      writeFileSync(join(place.path, `proc/${pid}/cgroup`), `0::/user/one/${group}\n`);
      renewControlGroup(pid, limits, place.path);
      return readdirSync(join(place.group, group)).toSorted();
    };
    expect(inGroup(71, "aurora-70-1")).toEqual([
      "cgroup.procs",
      "memory.max",
      "memory.oom.group",
      "memory.swap.max",
      "pids.max",
    ]);
    expect(readFileSync(join(place.group, "aurora-70-1/memory.max"), "latin1")).toBe("1048576");
    expect(startGroupOf(71, place.path)).toBe(join(place.group, "aurora-70-1"));
    // That one holds what has no limits.
    expect(inGroup(72, "aurora-self")).toEqual(["cgroup.procs"]);
    expect(startGroupOf(72, place.path)).toBeUndefined();
  });

  test("of another process is told by its own group: so a shell learns what the daemon can", () => {
    using place = machine();
    const daemon = 4711;
    mkdirSync(join(place.path, "cg/user/shell"));
    writeFileSync(join(place.path, "proc/self/cgroup"), "0::/user/shell\n");
    mkdirSync(join(place.path, `proc/${daemon}`));
    const put = (group: string) => writeFileSync(join(place.path, `proc/${daemon}/cgroup`), `0::/${group}\n`);
    expect(controlGroupReason(place.path)).toContain("the controllers for memory and pids are not in its");
    put("user/one");
    writeFileSync(join(place.group, "cgroup.procs"), `${daemon}\n`);
    expect(controlGroupReason(place.path, daemon)).toBeNull();
    // It has moved itself once, to have groups beside it.
    put("user/one/aurora-self");
    expect(controlGroupReason(place.path, daemon)).toBeNull();
    put("user/shell");
    expect(controlGroupReason(place.path, daemon)).not.toBeNull();
  });

  test("is removed when its start has ended", () => {
    using place = machine();
    mkdirSync(join(place.group, "aurora-999999999-1"));
    removeForgottenGroups(place.path);
    expect(existsSync(join(place.group, "aurora-999999999-1"))).toBe(false);
  });

  test("cannot be had where other processes share the group", () => {
    using place = machine();
    writeFileSync(join(place.group, "cgroup.subtree_control"), "");
    writeFileSync(join(place.group, "cgroup.procs"), `${process.pid}\n1\n`);
    expect(controlGroupReason(place.path)).toContain("Delegate=yes");
  });
});

/** A daemon that nothing but its group connects with where it came from. */
const daemon =
  "(setsid env -i /bin/sh -c 'trap : TERM; while :; do sleep 1000; done' </dev/null >/dev/null 2>&1 &)";

describe.skipIf(topGroup === undefined)(
  "a control group of the kernel (needs control groups that can be made)",
  () => {
    const directory = `${topGroup}/aurora-test-${process.pid}`;

    test("holds a daemon that has left everything else, and kills it at once", async () => {
      makeGroup(directory);
      try {
        const child = spawnChild({
          argv: ["sh", "-c", daemon],
          cwd: "/",
          env,
          stdin: "ignore",
          stdout: "ignore",
          stderr: "ignore",
          newSession: true,
          cgroup: directory,
        });
        expect(await child.exited).toBe(0);
        const find = () => findProcesses({ controlGroup: directory });
        while (!find().some(({ command }) => command === "sleep 1000")) await Bun.sleep(1);
        const { survivors, killed } = await stopTree(find, {
          signal: "SIGTERM",
          timeoutMs: 50,
          killAll: () => void killGroup(directory),
        });
        expect(survivors).toEqual([]);
        expect(killed).not.toEqual([]);
        expect(groupMembers(directory)).toEqual([]);
      } finally {
        killGroup(directory);
        while (!removeGroup(directory)) await Bun.sleep(1);
      }
    });

    test("tells what a start has left running, although nothing else does", async () => {
      makeGroup(directory);
      try {
        using place = scratch();
        const leave = "mkfifo up; (setsid env -i sh -c 'echo >up; sleep 1000' &) >/dev/null 2>&1; read _ <up";
        const options = { argv: ["sh", "-c", leave], cwd: place.path, env };
        const { left } = await run({ ...options, cgroup: directory, leaveRunning: true });
        expect(left.map(({ command }) => command)).toContain("sh -c echo >up; sleep 1000");
      } finally {
        killGroup(directory);
        while (!removeGroup(directory)) await Bun.sleep(1);
      }
    });

    test("is made anew, since who enters one that was killed is killed as well", async () => {
      for (let n = 0; n < 3; n++) {
        makeGroup(directory);
        expect((await run({ argv: ["true"], cwd: "/", env, cgroup: directory })).rc).toBe(0);
        killGroup(directory);
      }
      while (!removeGroup(directory)) await Bun.sleep(1);
    });
  },
);
