import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { constants } from "node:os";

import { DEFAULT_MAX_BUFFER_BYTES, run, type RunOptions, type RunResult } from "../../src/process/run.ts";
import { findProcesses, stopTree } from "../../src/process/tree.ts";
import { scratch } from "../support/aurora.ts";

const env = { PATH: "/usr/local/bin:/usr/bin:/bin" };
const sh = async (script: string, options: Partial<RunOptions> = {}): Promise<RunResult> =>
  await run({ argv: ["sh", "-c", script], cwd: "/", env, ...options });
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const openDescriptors = () => readdirSync("/proc/self/fd").length;
const allChildren = () =>
  readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").split(" ").filter(Boolean);

/** The children that have come since; those of other tests in this process are theirs. */
const childrenSince = (before: readonly string[]) => allChildren().filter((pid) => !before.includes(pid));

/** A mark in a tree's environment, and whoever of it still lives. */
function marked() {
  const mark = crypto.randomUUID();
  return {
    env: { ...env, TEST_MARK: mark },
    alive: () => findProcesses({ environment: { TEST_MARK: mark } }),
  };
}

describe("one shape of result", () => {
  test("success", async () => {
    const { durationMs, maxRssBytes, cpuMs, pid, ...rest } = await sh("echo out; echo err >&2");
    expect(rest).toEqual({
      rc: 0,
      signal: null,
      timeout: false,
      aborted: false,
      stdout: Buffer.from("out\n"),
      stderr: Buffer.from("err\n"),
      truncated: false,
      outOfMemory: false,
      processGroup: pid,
      left: [],
    });
    for (const number of [durationMs, maxRssBytes, cpuMs]) expect(number).toBeGreaterThan(0);
  });

  test("failure", async () => {
    expect(await sh("exit 42")).toMatchObject({ rc: 42, signal: null, timeout: false });
  });

  test.each(["SIGKILL", "SIGTERM", "SIGSEGV"] as const)("death by %s is 128 + its number", async (name) => {
    const result = await sh(`kill -${name.slice(3)} $$`);
    expect(result).toMatchObject({ rc: 128 + constants.signals[name], signal: name, timeout: false });
  });

  test("timeout", async () => {
    const result = await sh("exec sleep 1000", { timeoutMs: 100 });
    expect(result).toMatchObject({ rc: -1, signal: "SIGTERM", timeout: true, aborted: false });
  });

  test("abort, before and while it runs", async () => {
    expect(await sh("exec sleep 1000", { signal: AbortSignal.abort() })).toMatchObject({
      rc: -1,
      aborted: true,
    });
    const controller = new AbortController();
    const result = await sh("echo here; exec sleep 1000", {
      signal: controller.signal,
      onOutput: () => controller.abort(),
    });
    expect(result).toMatchObject({ rc: -1, signal: "SIGTERM", timeout: false, aborted: true });
    expect(text(result.stdout)).toBe("here\n");
  });

  test("a timeout and an abort at once are one of them", async () => {
    const controller = new AbortController();
    const result = await sh("trap '' TERM; echo here; sleep 1000", {
      signal: controller.signal,
      timeoutMs: 60,
      graceMs: 60,
      onOutput: () => setTimeout(() => controller.abort(), 60),
    });
    expect(Number(result.timeout) + Number(result.aborted)).toBe(1);
    expect(result.rc).toBe(-1);
  });

  test("a timeout about when the command ends is one consistent result", async () => {
    const results = await Promise.all(
      Array.from({ length: 30 }, async (_, i) => await sh("sleep 0.1; exit 3", { timeoutMs: 85 + i * 2 })),
    );
    for (const { rc, timeout } of results) expect(rc).toBe(timeout ? -1 : 3);
  });

  test("a time limit beyond 2^31 ms does not fire at once", async () => {
    expect(await sh("sleep 0.05; echo done", { timeoutMs: 2 ** 31 + 1000 })).toMatchObject({ rc: 0 });
    expect(await sh("sleep 0.05; echo done", { timeoutMs: Number.MAX_SAFE_INTEGER })).toMatchObject({
      rc: 0,
    });
  });
});

describe("the whole tree ends", () => {
  const daemons =
    "sleep 1000 & setsid sleep 1000 & (setsid sh -c 'setsid sleep 1000 & sleep 1000' &) ; env -i /bin/sleep 1000 &";

  test("at the timeout: group, other sessions, twice forked daemons, cleared environments", async () => {
    const tree = marked();
    const result = await sh(`${daemons} echo up; wait`, { env: tree.env, timeoutMs: 300 });
    expect(result).toMatchObject({ rc: -1, timeout: true });
    expect(tree.alive()).toEqual([]);
    expect(findProcesses({ session: result.pid })).toEqual([]);
  });

  test("at an abort, where nobody listens to SIGTERM", async () => {
    const tree = marked();
    const controller = new AbortController();
    const result = await sh(
      "trap '' TERM; (setsid sh -c 'sleep 1000; sleep 1000' &); echo up; sleep 1000; sleep 1000",
      {
        env: tree.env,
        signal: controller.signal,
        graceMs: 50,
        onOutput: () => controller.abort(),
      },
    );
    expect(result).toMatchObject({ rc: -1, signal: "SIGKILL", aborted: true });
    expect(tree.alive()).toEqual([]);
  });

  test("when the leader ends: nobody who holds its output is waited for", async () => {
    const tree = marked();
    const result = await sh(`${daemons} echo done`, { env: tree.env });
    expect(text(result.stdout)).toBe("done\n");
    expect(tree.alive()).toEqual([]);
    expect(findProcesses({ session: result.pid })).toEqual([]);
  });

  test("when the leader ends: daemons that come and go while they are looked for", async () => {
    const tree = marked();
    // Each setsid starts the next one and ends.
    const daemon = "(setsid setsid setsid setsid sleep 1000 > /dev/null 2>&1 &)";
    for (let i = 0; i < 20; i++) await sh(`${daemon}; true`, { env: tree.env });
    expect(tree.alive()).toEqual([]);
  });

  test("when a long-running leader ends", async () => {
    const tree = marked();
    expect(await sh("(setsid sleep 1000 &); sleep 1.1", { env: tree.env })).toMatchObject({ rc: 0 });
    expect(tree.alive()).toEqual([]);
  });

  test("but for what a start leaves running, and all the leader wrote is there", async () => {
    const tree = marked();
    const result = await sh("sleep 1000 & (setsid sleep 1000 &) ; head -c 60000 /dev/zero", {
      env: tree.env,
      leaveRunning: true,
    });
    expect(result.rc).toBe(0);
    expect(result.stdout).toHaveLength(60_000);
    const left = tree.alive();
    expect(left.length).toBeGreaterThanOrEqual(2);
    expect(left.map(({ pid }) => pid)).not.toContain(result.pid);
    await stopTree(tree.alive, { signal: "SIGKILL", timeoutMs: 1000 });
  });

  test("a leftover that writes without end is not listened to for ever", async () => {
    const tree = marked();
    const result = await sh("yes & sleep 0.1", { env: tree.env, leaveRunning: true, maxBufferBytes: 1000 });
    expect(result).toMatchObject({ rc: 0, truncated: true });
    await stopTree(tree.alive, { signal: "SIGKILL", timeoutMs: 1000 });
  });

  test("what is left behind and does not listen is killed soon", async () => {
    const tree = marked();
    const result = await sh("trap '' TERM; (setsid sleep 1000 &)", { env: tree.env, graceMs: 3_600_000 });
    expect([result.rc, tree.alive()]).toEqual([0, []]);
  });

  test("the stop signal is the caller's choice", async () => {
    const controller = new AbortController();
    const result = await sh("trap 'echo stopping; exit 5' USR1; echo up; while :; do sleep 0.01; done", {
      stopSignal: "SIGUSR1",
      signal: controller.signal,
      // Its trap is set by then, however busy the machine is.
      onOutput: () => controller.abort(),
      graceMs: 60_000,
    });
    expect(text(result.stdout)).toBe("up\nstopping\n");
    expect(result).toMatchObject({ rc: -1, signal: null, aborted: true });
  });

  test("a stopped process is woken to end", async () => {
    expect(await sh("kill -STOP $$; exit 0", { timeoutMs: 50, graceMs: 10_000 })).toMatchObject({
      rc: -1,
      signal: "SIGTERM",
    });
  });

  test("nobody else does", async () => {
    const other = marked();
    const bystander = Bun.spawn(["sleep", "1000"], { env: other.env, stdout: "ignore", stderr: "ignore" });
    await sh(daemons);
    await sh("sleep 1000", { timeoutMs: 20 });
    expect(other.alive()).toHaveLength(1);
    bystander.kill();
    await bystander.exited;
  });
});

describe("output", () => {
  test("a large output is kept up to the limit, read to its end, and needs no more memory for it", async () => {
    const totalBytes = 500_000_000;
    const script = `
      const { run } = await import("./src/process/run.ts");
      let seen = 0;
      const { rc, truncated, stdout, stderr } = await run({
        argv: ["sh", "-c", "head -c ${totalBytes} /dev/zero; echo end >&2"], cwd: "/", env: { PATH: "/usr/bin:/bin" },
        maxBufferBytes: 1_000_000,
        onOutput: (stream, chunk) => { if (stream === "stdout") seen += chunk.length; },
      });
      // Of this image alone: what getrusage(2) says includes the program that started it.
      const peak = Number(/VmHWM:\\s+(\\d+)/.exec(await Bun.file("/proc/self/status").text())[1]) * 1024;
      console.log(JSON.stringify([rc, truncated, stdout.length, stderr.length, seen, peak]));`;
    const child = Bun.spawn([process.execPath, "-e", script], {
      cwd: `${import.meta.dir}/../..`,
      stdout: "pipe",
    });
    const [rc, truncated, out, err, seen, peak] = JSON.parse(await child.stdout.text()) as number[];
    expect([rc, truncated as unknown, out, err, seen]).toEqual([0, true, 1_000_000, 4, totalBytes]);
    expect(peak).toBeLessThan(totalBytes / 2);
  });

  test("exactly the limit is not truncated, one byte more is", async () => {
    expect(await sh("printf 1234", { maxBufferBytes: 4 })).toMatchObject({ truncated: false });
    const result = await sh("printf 12345", { maxBufferBytes: 4 });
    expect([text(result.stdout), result.truncated]).toEqual(["1234", true]);
    expect(await sh("printf x", { maxBufferBytes: 0 })).toMatchObject({
      truncated: true,
      stdout: new Uint8Array(),
    });
  });

  test("the default limit", async () => {
    const { stdout, truncated } = await sh(`head -c ${DEFAULT_MAX_BUFFER_BYTES + 1} /dev/zero`);
    expect([stdout.length, truncated]).toEqual([DEFAULT_MAX_BUFFER_BYTES, true]);
  });

  test("bytes stay bytes", async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const { stdout } = await run({ argv: ["cat"], cwd: "/", env, stdin: bytes });
    expect([...stdout]).toEqual([...bytes]);
  });

  test("many short pieces do not keep large buffers alive", async () => {
    const result = await sh("i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); done", {
      maxBufferBytes: 10_000,
    });
    expect(text(result.stdout)).toBe(Array.from({ length: 300 }, (_, i) => `${i}\n`).join(""));
  });

  test("the child can open /dev/stdout and /dev/stderr", async () => {
    const result = await sh("echo out > /dev/stdout; echo err > /dev/stderr");
    expect([text(result.stdout), text(result.stderr)]).toEqual(["out\n", "err\n"]);
  });

  test("a descriptor of the caller takes the output, and stays the caller's", async () => {
    using directory = scratch();
    const file = openSync(`${directory.path}/log`, "a");
    const result = await sh("echo one; echo two >&2", {
      stdout: { descriptor: file },
      stderr: { descriptor: file },
    });
    expect([result.stdout.length, result.stderr.length]).toEqual([0, 0]);
    closeSync(file);
    expect(readFileSync(`${directory.path}/log`, "utf8")).toBe("one\ntwo\n");
  });

  test("what onOutput throws is thrown, after the command has ended and without leaving it stuck", async () => {
    const failing = sh("head -c 1000000 /dev/zero; exit 0", {
      onOutput: () => {
        throw new Error("disk full");
      },
    });
    await expect(failing).rejects.toThrow("disk full");
  });
});

describe("input", () => {
  test("none is empty, not the caller's", async () => {
    expect(text((await sh("wc -c; readlink /proc/self/fd/0")).stdout)).toBe("0\n/dev/null\n");
  });

  test("more than a pipe holds arrives whole, and can be opened as /dev/stdin", async () => {
    const bytes = Buffer.alloc(3_000_000, "x");
    expect(text((await sh("wc -c", { stdin: bytes })).stdout)).toBe("3000000\n");
    expect(text((await sh("wc -c < /dev/stdin", { stdin: bytes })).stdout)).toBe("3000000\n");
  });

  test("a child that does not read it does no harm", async () => {
    expect(await sh("exec 0<&-; exit 6", { stdin: Buffer.alloc(3_000_000) })).toMatchObject({ rc: 6 });
  });
});

describe("what the child is given", () => {
  test("three descriptors and no other, though the caller has many open", async () => {
    const open = Array.from({ length: 20 }, () => openSync("/dev/null", "r"));
    const { stdout } = await run({ argv: ["ls", "/proc/self/fd"], cwd: "/", env });
    // ls itself holds the directory as 3.
    expect(text(stdout).trim().split("\n")).toEqual(["0", "1", "2", "3"]);
    for (const descriptor of open) closeSync(descriptor);
  });

  test("no blocked and no ignored signals", async () => {
    const ignored = () => {};
    process.on("SIGUSR2", ignored);
    const { stdout } = await run({
      argv: ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"],
      cwd: "/",
      env,
    });
    process.off("SIGUSR2", ignored);
    expect(text(stdout)).toBe("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  });

  test("a session and group of its own, and no terminal", async () => {
    const { stdout, pid } = await run({ argv: ["cat", "/proc/self/stat"], cwd: "/", env });
    const [, , group, session, terminal] = text(stdout).split(") ")[1]?.split(" ") ?? [];
    expect([group, session, terminal]).toEqual([String(pid), String(pid), "0"]);
  });

  test("in the foreground the caller's session and group", async () => {
    const own = readFileSync("/proc/self/stat", "latin1").split(") ")[1]?.split(" ").slice(2, 4);
    const result = await run({ argv: ["cat", "/proc/self/stat"], cwd: "/", env, foreground: true });
    expect(text(result.stdout).split(") ")[1]?.split(" ").slice(2, 4)).toEqual(own);
    expect(result.processGroup).toBe(Number(own?.[0]));
  });

  test("the environment that was given and the id of the run", async () => {
    const { stdout } = await run({ argv: ["env"], cwd: "/", env: { ...env, ODD: "a\nb=ä" } });
    expect(text(stdout)).toMatch(/^PATH=.*\nODD=a\nb=ä\nAURORA_RUN_ID=[0-9a-f]{16}\n$/);
  });

  test("a umask, where one is wanted, and the caller keeps its own", async () => {
    using directory = scratch();
    const before = process.umask();
    await sh("touch file", { cwd: directory.path, umask: 0o027 });
    expect(statSync(`${directory.path}/file`).mode & 0o777).toBe(0o640);
    expect(process.umask()).toBe(before);
  });
});

describe("what cannot be run", () => {
  const failure = async (argv: string[], options: Partial<RunOptions> = {}) => {
    try {
      await run({ argv, cwd: "/", env, ...options });
    } catch (thrown) {
      const { code, message, exitCode } = thrown as { code: string; message: string; exitCode: number };
      return { code, message, exitCode };
    }
    throw new Error("it ran");
  };

  test("a name that is not there", async () => {
    expect(await failure(["no-such-command"])).toEqual({
      code: "command-not-found",
      message: 'cannot run "no-such-command": it was not found',
      exitCode: 127,
    });
    expect(await failure(["/no/such/file"])).toMatchObject({ exitCode: 127 });
    expect(await failure([""])).toMatchObject({ exitCode: 127 });
    expect(await failure([])).toMatchObject({ exitCode: 127 });
  });

  test("a file without the right to execute, a directory, a broken interpreter, a foreign format", async () => {
    using directory = scratch();
    const { path } = directory;
    writeFileSync(`${path}/plain`, "#!/bin/sh\n");
    writeFileSync(`${path}/orphan`, "#!/no/such/interpreter\n", { mode: 0o755 });
    writeFileSync(`${path}/foreign`, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0, 0, 9, 9]), { mode: 0o755 });
    expect(await failure(["./plain"], { cwd: path })).toEqual({
      code: "not-executable",
      message: 'cannot run "./plain": permission denied',
      exitCode: 126,
    });
    expect(await failure(["plain"], { cwd: path, env: { PATH: path } })).toMatchObject({ exitCode: 126 });
    expect(await failure([path])).toMatchObject({
      message: `cannot run "${path}": it is a directory`,
      exitCode: 126,
    });
    expect(await failure(["./orphan"], { cwd: path })).toMatchObject({
      message: 'cannot run "./orphan": its interpreter does not exist',
      exitCode: 126,
    });
    expect(await failure(["./foreign"], { cwd: path })).toMatchObject({
      message: 'cannot run "./foreign": its format is not one this machine executes',
      exitCode: 126,
    });
  });

  test("a script without #! runs with /bin/sh, as execvp(3) has it", async () => {
    using directory = scratch();
    writeFileSync(`${directory.path}/bare`, 'echo "$0:$1"\n', { mode: 0o755 });
    const argv = ["./bare", "an arg"];
    expect(text((await run({ argv, cwd: directory.path, env })).stdout)).toBe("./bare:an arg\n");
  });

  test("a directory that is not there is said to be the fault", async () => {
    expect(await failure(["true"], { cwd: "/no/such/place" })).toEqual({
      code: "exec-failed",
      message: 'cannot run a command in "/no/such/place": no such file or directory',
      exitCode: 125,
    });
    expect(await failure(["true"], { cwd: "/etc/passwd" })).toMatchObject({ exitCode: 125 });
  });

  test("a NUL byte is refused, not cut off at", async () => {
    expect(await failure(["echo", "a\0b"])).toMatchObject({ code: "exec-failed" });
    expect(await failure(["env"], { env: { ...env, X: "a\0b" } })).toMatchObject({ code: "exec-failed" });
  });

  test("an argument list that is too long", async () => {
    expect(await failure(["true", "x".repeat(200_000)])).toMatchObject({
      code: "exec-failed",
      exitCode: 125,
    });
  });

  test("nothing stays open", async () => {
    const before = openDescriptors();
    for (let i = 0; i < 20; i++) await failure(["no-such-command"], { stdin: Buffer.from("x") });
    // Fewer where the runtime has closed a stream of an earlier test meanwhile.
    expect(openDescriptors()).toBeLessThanOrEqual(before);
  });
});

/** What of this process must not grow with the number of runs. */
const residentBytes = () => {
  Bun.gc(true);
  return process.memoryUsage.rss();
};

test(
  "one after the other: no descriptors, no memory and no zombies stay behind",
  async () => {
    const runs = process.env["AURORA_LONG_TESTS"] === "1" ? 100_000 : 2_000;
    const once = async () => {
      const { rc } = await run({ argv: ["true"], cwd: "/", env });
      if (rc !== 0) throw new Error(`true ended with code ${rc}`);
    };
    // The heap finds its size first.
    for (let i = 0; i < 1_000; i++) await once();
    const [descriptors, bytes, children] = [openDescriptors(), residentBytes(), allChildren()];
    for (let i = 0; i < runs; i++) await once();
    // The runtime closes a stream when it gets round to it.
    while (openDescriptors() > descriptors) await Bun.sleep(1);
    expect(childrenSince(children)).toEqual([]);
    expect(residentBytes() - bytes).toBeLessThan(32 * 1024 ** 2);
  },
  30 * 60_000,
);

test("500 at once: each gets its own output, and nothing stays behind", async () => {
  await sh("echo warm");
  const [before, children] = [openDescriptors(), allChildren()];
  const all = Array.from({ length: 500 }, (_, i) => i);
  const results = await Promise.all(
    all.map(async (i) => await sh(`head -c 70000 /dev/zero; echo ${i} >&2; exit ${i % 256}`)),
  );
  expect(results.map(({ rc, stdout, stderr }) => [rc, stdout.length, text(stderr)])).toEqual(
    all.map((i) => [i % 256, 70_000, `${i}\n`]),
  );
  // The runtime closes a stream when it gets round to it.
  while (openDescriptors() > before) await Bun.sleep(1);
  expect(childrenSince(children)).toEqual([]);
}, 600_000);
