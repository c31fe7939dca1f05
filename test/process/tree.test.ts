import { expect, test } from "bun:test";

import {
  findProcesses,
  identify,
  isAlive,
  memoryOf,
  type ProcessIdentity,
  send,
  stopTree,
} from "../../src/process/tree.ts";
import { bootTime } from "../../src/system/boot.ts";

const env = { PATH: "/usr/bin:/bin" };

/** A shell in a session of its own, ready when it has said so. */
async function start(script: string, extra: Record<string, string> = {}) {
  const child = Bun.spawn(["sh", "-c", `${script}\necho ready; wait`], {
    env: { ...env, ...extra },
    detached: true,
    stdout: "pipe",
  });
  await child.stdout.getReader().read();
  return child;
}

const commandsOf = (found: ProcessIdentity[]) => found.map(({ command }) => command).toSorted();
const quick = { signal: "SIGTERM", timeoutMs: 5_000 } as const;

test("a tree is found by group, session, environment and descent", async () => {
  const mark = crypto.randomUUID();
  const child = await start("sleep 1001 & setsid sleep 1002 & (setsid env -i /bin/sleep 1003 &)", {
    MARK: mark,
  });
  const within = ["sleep 1001", "sleep 1002"];
  const inGroup = commandsOf(findProcesses({ processGroup: child.pid }));
  expect(inGroup).toEqual(expect.arrayContaining(within));
  expect(commandsOf(findProcesses({ session: child.pid }))).toEqual(inGroup);
  expect(commandsOf(findProcesses({ environment: { MARK: mark } }))).toEqual(expect.arrayContaining(within));
  expect(findProcesses({ environment: { MARK: mark, OTHER: "x" } })).toEqual([]);
  expect(findProcesses({ environment: { MARK: mark.slice(0, 8) } })).toEqual([]);
  expect(findProcesses({})).toEqual([]);
  const { survivors } = await stopTree(() => findProcesses({ session: child.pid }), quick);
  expect(survivors).toEqual([]);
  await child.exited;
  // Who has cleared its environment, left the session and lost its parent is nobody's.
  for (const { pid } of Bun.spawnSync(["pgrep", "-f", "^/bin/sleep 1003$"])
    .stdout.toString()
    .trim()
    .split("\n")
    .map((pid) => ({ pid: Number(pid) })))
    process.kill(pid, "SIGKILL");
});

test("this process, those above it and zombies are never found", async () => {
  const own = identify(process.pid);
  expect(own).toMatchObject({ pid: process.pid, bootId: bootTime().bootId });
  const everything = findProcesses({ root: identify(process.ppid) as ProcessIdentity });
  expect(everything.map(({ pid }) => pid)).not.toContain(process.pid);
  expect(everything.map(({ pid }) => pid)).not.toContain(process.ppid);
  // The shell does not wait for its child, which ends at once.
  const child = Bun.spawn(["sh", "-c", "true & exec sleep 1004"], { env, detached: true });
  while (
    !Bun.spawnSync(["ps", "-o", "stat=", "-s", String(child.pid)])
      .stdout.toString()
      .includes("Z")
  )
    await Bun.sleep(1);
  expect(commandsOf(findProcesses({ session: child.pid }))).toEqual(["sleep 1004"]);
  child.kill("SIGKILL");
  await child.exited;
});

test("an identity is not the next process with the same number", async () => {
  const child = await start("sleep 1005 &");
  const identity = identify(child.pid) as ProcessIdentity;
  expect(isAlive(identity)).toBe(true);
  expect(isAlive({ ...identity, startTime: identity.startTime + 1 })).toBe(false);
  expect(isAlive({ ...identity, bootId: "another" })).toBe(false);
  expect(send({ ...identity, startTime: identity.startTime - 1 }, "SIGKILL")).toBe(false);
  expect(isAlive(identity)).toBe(true);
  expect(send(identity, 0)).toBe(true);
  await stopTree(() => findProcesses({ session: child.pid }), quick);
  await child.exited;
  expect(isAlive(identity)).toBe(false);
  expect(send(identity, 0)).toBe(false);
});

test("who ignores the signal is killed, after the time it was given", async () => {
  const child = await start("trap '' TERM; sh -c 'sleep 1006; sleep 1006' & sleep 1007 &");
  let nowMs = 0;
  const pauses: number[] = [];
  const clock = {
    now: () => nowMs,
    sleep: async (ms: number) => {
      pauses.push(ms);
      nowMs += ms;
      await Bun.sleep(0);
    },
  };
  const find = () => findProcesses({ session: child.pid });
  const { stopped, killed, survivors } = await stopTree(find, {
    signal: "SIGTERM",
    timeoutMs: 3_600_000,
    clock,
  });
  expect(survivors).toEqual([]);
  expect(commandsOf(killed)).toEqual(expect.arrayContaining(["sleep 1006", "sleep 1007"]));
  expect(commandsOf(stopped)).toEqual(commandsOf(killed));
  expect(nowMs).toBeGreaterThanOrEqual(3_600_000);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(50);
  await child.exited;
});

test("what is forked while the tree is being stopped is met as well", async () => {
  const child = await start("trap '(sleep 1008 &) ; exit' TERM; sleep 1009 &");
  const mark = () => findProcesses({ session: child.pid });
  const { stopped, survivors } = await stopTree(mark, quick);
  expect(survivors).toEqual([]);
  expect(commandsOf(stopped)).toContain("sleep 1008");
  await child.exited;
});

test("what cannot be ended is reported in bounded time", async () => {
  const phantom = { pid: 1, startTime: 0, bootId: "none", command: "phantom" };
  const result = await stopTree(() => [phantom], { signal: "SIGTERM", timeoutMs: 20, killTimeoutMs: 20 });
  expect(result.survivors).toEqual([phantom]);
});

test("an empty tree is stopped", async () => {
  expect(await stopTree(() => [], quick)).toEqual({ stopped: [], killed: [], survivors: [] });
});

test("memory is of the processes that are there", async () => {
  expect(memoryOf([process.pid])).toBeGreaterThan(1024 ** 2);
  expect(memoryOf([])).toBe(0);
  expect(memoryOf([2 ** 22])).toBe(0);
});
