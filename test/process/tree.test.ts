import { expect, test } from "bun:test";

import {
  findProcesses,
  identify,
  isAlive,
  type ProcessIdentity,
  send,
  stopTree,
  type TreeMatch,
} from "../../src/process/tree.ts";
import { bootTime } from "../../src/system/boot.ts";

const env = { PATH: "/usr/bin:/bin" };

/** A shell in a session of its own, ready when it has said so. */
async function start(script: string, extra: Record<string, string> = {}) {
  const child = Bun.spawn(["sh", "-c", `${script}\necho ready; wait`], {
    env: { ...env, ...extra },
    detached: true,
    stdout: "pipe",
    // A test that fails must not leave somebody who holds the test run's own output open.
    stderr: "ignore",
  });
  await child.stdout.getReader().read();
  return child;
}

const commandsOf = (found: ProcessIdentity[]) => found.map(({ command }) => command).toSorted();
const quick = { signal: "SIGTERM", timeoutMs: 2_000 } as const;

/** What is found, once all the wanted commands are among it: a forked shell has yet to become them. */
async function findAll(match: TreeMatch, wanted: string[]): Promise<string[]> {
  for (;;) {
    const found = commandsOf(findProcesses(match));
    if (wanted.every((command) => found.includes(command))) return found;
    await Bun.sleep(1);
  }
}

test("a tree is found by group, session, environment and descent", async () => {
  const mark = crypto.randomUUID();
  const script = "sleep 1001 & setsid sleep 1002 & (setsid sleep 1003 &) ; env -i setsid /bin/sleep 1004 &";
  const child = await start(script, { MARK: mark });
  try {
    // A child that has left group, session and environment is found by its parent.
    await findAll({ processGroup: child.pid }, ["sleep 1001", "sleep 1002", "/bin/sleep 1004"]);
    await findAll({ session: child.pid }, ["sleep 1001", "sleep 1002", "/bin/sleep 1004"]);
    // A daemon that has left group, session and parent is found by its environment.
    const all = await findAll({ environment: { MARK: mark } }, [
      "sleep 1001",
      "sleep 1002",
      "sleep 1003",
      "/bin/sleep 1004",
    ]);
    expect(all).toHaveLength(5);
    expect(commandsOf(findProcesses({ session: child.pid }))).not.toContain("sleep 1003");
    expect(findProcesses({ environment: { MARK: mark, OTHER: "x" } })).toEqual([]);
    expect(findProcesses({ environment: { MARK: mark.slice(0, 8) } })).toEqual([]);
    expect(findProcesses({})).toEqual([]);
  } finally {
    const { survivors } = await stopTree(() => findProcesses({ environment: { MARK: mark } }), quick);
    expect(survivors).toEqual([]);
  }
  expect(findProcesses({ session: child.pid })).toEqual([]);
  await child.exited;
});

test("this process, those above it and zombies are never found", async () => {
  const own = identify(process.pid);
  expect(own).toMatchObject({ pid: process.pid, bootId: bootTime().bootId });
  const everything = findProcesses({ root: identify(process.ppid) as ProcessIdentity });
  expect(everything.map(({ pid }) => pid)).not.toContain(process.pid);
  expect(everything.map(({ pid }) => pid)).not.toContain(process.ppid);
  // The shell does not wait for its child, which ends at once.
  const child = Bun.spawn(["sh", "-c", "true & exec sleep 1005"], {
    env,
    detached: true,
    stdout: "ignore",
    stderr: "ignore",
  });
  while (
    !Bun.spawnSync(["ps", "-o", "stat=", "-s", String(child.pid)])
      .stdout.toString()
      .includes("Z")
  )
    await Bun.sleep(1);
  expect(commandsOf(findProcesses({ session: child.pid }))).toEqual(["sleep 1005"]);
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
    timeoutMs: 60_000,
    clock,
  });
  expect(survivors).toEqual([]);
  expect(killed.map(({ pid }) => pid)).toContain(child.pid);
  expect(killed.length).toBeGreaterThanOrEqual(3);
  expect(stopped.length).toBeGreaterThanOrEqual(killed.length);
  expect(nowMs).toBeGreaterThanOrEqual(60_000);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(50);
  await child.exited;
});

test("what is forked while the tree is being stopped is met as well", async () => {
  const child = await start("trap '(sleep 1008 &) ; exit' TERM; sleep 1009 &");
  const find = () => findProcesses({ session: child.pid });
  // A shell that is killed before it gets to its trap forks nobody.
  const { stopped, survivors } = await stopTree(find, { ...quick, timeoutMs: 20_000 });
  expect(survivors).toEqual([]);
  // The child may have been met before it became "sleep".
  expect(stopped.length).toBeGreaterThanOrEqual(3);
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
