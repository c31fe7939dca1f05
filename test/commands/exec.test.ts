import { expect, test } from "bun:test";
import { readdirSync, readFileSync, realpathSync } from "node:fs";

import { auroraCommand } from "../support/aurora.ts";
import { hasEnded, testHome } from "../support/test-home.ts";

/** A home with one live pack whose service is not started. */
async function withPack(files: Record<string, string> = {}) {
  const t = testHome();
  t.write({ id: "app", files });
  const { exitCode } = await t.run(["install", "app", "--no-start"]);
  expect(exitCode).toBe(0);
  return t;
}

/** A command in a real terminal; `type` is called with all it has shown so far, and may answer. */
async function inTerminal(home: string, argv: string[], type: (shown: string) => string | undefined) {
  let shown = "";
  const child = Bun.spawn([...auroraCommand, ...argv], {
    env: { PATH: Bun.env["PATH"] ?? "/usr/bin:/bin", HOME: "/nonexistent", AURORA_HOME: home },
    terminal: {
      data(terminal, data) {
        shown += new TextDecoder().decode(data);
        const answer = type(shown);
        if (answer !== undefined) terminal.write(answer);
      },
    },
  });
  const exitCode = await child.exited;
  child.terminal?.close();
  return { shown: shown.replaceAll("\r\n", "\n"), exitCode };
}

test("passes output, input and exit code through", async () => {
  await using t = await withPack();
  const script = 'cat; echo "$1" >&2; exit 7';
  expect(await t.run(["exec", "app", "--", "sh", "-c", script, "-", "--json"], { stdin: "in\n" })).toEqual({
    stdout: "in\n",
    stderr: "--json\n",
    exitCode: 7,
  });
});

test("runs in the pack's tree and environment", async () => {
  await using t = await withPack();
  const show =
    'pwd; echo "$AURORA_PACK_ID $AURORA_GENERATION $SECRET"; test -d "$AURORA_TMP_DIR" && echo "$AURORA_DATA_DIR"';
  const { stdout } = await t.run(["exec", "--pack", "app", "--", "sh", "-c", show], {
    env: { SECRET: "no" },
  });
  const [place, ...rest] = stdout.split("\n");
  expect(place?.replace("DIR/home", realpathSync(t.home))).toBe(realpathSync(`${t.home}/live/app`));
  expect(rest).toEqual(["app 1 ", "DIR/home/data/app", ""]);
  expect(readdirSync(`${t.home}/tmp`)).toEqual([]);
});

test("--json is one document", async () => {
  await using t = await withPack();
  const { value, stderr, exitCode } = await t.json(
    ["exec", "app", "--json", "--", "sh", "-c", "echo out; echo err >&2; exit 3"].slice(0, 2),
  );
  expect([value, exitCode, JSON.parse(stderr)]).toEqual([
    undefined,
    2,
    { error: expect.objectContaining({ code: "usage", message: '"exec" needs a command after "--"' }) },
  ]);
  const result = await t.run(["--json", "exec", "app", "--", "sh", "-c", "echo out; echo err >&2; exit 3"]);
  expect(JSON.parse(result.stdout.replaceAll(":N", ":1"))).toEqual({
    rc: 3,
    timeout: false,
    signal: null,
    stdout: "out\n",
    stderr: "err\n",
    truncated: false,
    duration_ms: 1,
    max_rss_bytes: expect.any(Number),
  });
  expect([result.stderr, result.exitCode]).toEqual(["", 3]);
});

test("--json says so where the output is not UTF-8", async () => {
  await using t = await withPack();
  const { stdout } = await t.run(["--json", "exec", "app", "--", "printf", "\\377x"]);
  expect(JSON.parse(stdout.replaceAll(":N", ":1"))).toMatchObject({
    stdout: "/3g=",
    stdout_encoding: "base64",
    stderr: "",
  });
});

test("death by a signal is 128 + its number, in both forms", async () => {
  await using t = await withPack();
  const argv = ["exec", "app", "--", "sh", "-c", "kill -KILL $$"];
  expect(await t.run(argv)).toEqual({ stdout: "", stderr: "", exitCode: 137 });
  const json = await t.run(["--json", ...argv]);
  expect([JSON.parse(json.stdout.replaceAll(":N", ":1")), json.exitCode]).toEqual([
    expect.objectContaining({ rc: 137, signal: "SIGKILL" }),
    137,
  ]);
});

test("is told how it ends also by a caller that ignores its own children", async () => {
  await using t = await withPack();
  const child = Bun.spawn(
    [
      "env",
      "--ignore-signal=CHLD",
      ...auroraCommand,
      "exec",
      "app",
      "--home",
      t.home,
      "--",
      "sh",
      "-c",
      "exit 3",
    ],
    { env: { PATH: Bun.env["PATH"] ?? "" }, stderr: "pipe" },
  );
  expect([await child.stderr.text(), await child.exited]).toEqual(["", 3]);
});

test("--timeout ends the whole tree: exit 124, rc -1", async () => {
  await using t = await withPack();
  const argv = ["exec", "app", "--timeout", "300ms", "--", "sh", "-c", "(setsid sleep 300 &) ; sleep 300"];
  expect(await t.run(argv)).toMatchObject({ stdout: "", exitCode: 124 });
  const json = await t.run(["--json", ...argv]);
  expect(json.exitCode).toBe(124);
  expect(JSON.parse(json.stdout.replaceAll(":N", ":1"))).toMatchObject({ rc: -1, timeout: true });
  const left = Bun.spawnSync(["pgrep", "-f", "^sleep 300$"])
    .stdout.toString()
    .trim()
    .split("\n")
    .filter(Boolean);
  const ours = left.filter((pid) => environmentOf(pid).includes(`AURORA_HOME=${t.home}`));
  expect(ours).toEqual([]);
});

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    return "";
  }
}

test.each([
  [
    ["exec", "app", "--", "no-such-command"],
    127,
    "command-not-found",
    'cannot run "no-such-command": it was not found',
  ],
  [
    ["exec", "app", "--", "./manifest.yaml"],
    126,
    "not-executable",
    'cannot run "./manifest.yaml": permission denied',
  ],
  [["exec", "ap", "--", "true"], 125, "exec-failed", 'the pack "ap" is not installed'],
  [["exec", "app", "--", "ls -la"], 127, "command-not-found", 'cannot run "ls -la": it was not found'],
  [
    ["exec", "app", "--kill", "0123456789ab"],
    125,
    "exec-failed",
    '"app" has no command "0123456789ab" in the background',
  ],
  [["exec", "app"], 2, "usage", '"exec" needs a command after "--"'],
  [["exec", "app", "--list", "--", "true"], 2, "usage", "--list takes no command"],
  [["exec", "app", "--list", "--kill", "x"], 2, "usage", "--list and --kill exclude each other"],
  [
    ["exec", "app", "--background", "--timeout", "1s", "--", "true"],
    2,
    "usage",
    "--background takes no --timeout",
  ],
  [
    ["exec", "app", "--timeout", "soon", "--", "true"],
    2,
    "usage",
    'cannot read --timeout "soon": it is not a duration',
  ],
])("%j exits %d", async (argv, exitCode, code, message) => {
  await using t = await withPack();
  const result = await t.run(argv);
  expect([result.stdout, result.stderr.split("\n")[0], result.exitCode]).toEqual([
    "",
    `error[${code}]: ${message}`,
    exitCode,
  ]);
});

test("a script of the pack in TypeScript runs on the built-in runtime, and may call aurora", async () => {
  await using t = await withPack({
    "report.ts": `const words: string[] = process.argv.slice(2);
      const version = Bun.spawnSync([process.env.AURORA_BIN!, "version", "--json"]).stdout.toString();
      console.log(JSON.stringify([words, process.env.AURORA_PACK_ID, Object.keys(JSON.parse(version))[0]]));`,
  });
  expect(await t.run(["exec", "app", "--", "./report.ts", "--deep"])).toEqual({
    stdout: '[["--deep"],"app","version"]\n',
    stderr: "",
    exitCode: 0,
  });
});

test("nothing that lies in the pack's tree configures the runtime", async () => {
  await using t = await withPack({
    "report.ts": "console.log(process.env.HOSTILE);",
    ".env": "HOSTILE=1\n",
    "bunfig.toml": 'preload = ["./hostile.ts"]\n',
    "hostile.ts": 'console.log("HOSTILE");',
    "package.json": '{ "scripts": { "report.ts": "echo HOSTILE", "prereport.ts": "echo HOSTILE" } }',
  });
  expect(await t.run(["exec", "app", "--", "./report.ts"])).toEqual({
    stdout: "undefined\n",
    stderr: "",
    exitCode: 0,
  });
});

test("--background starts, --list shows, --kill ends", async () => {
  await using t = await withPack();
  expect(await t.run(["exec", "--list", "app"])).toEqual({
    stdout: "nothing runs in the background\n",
    stderr: "",
    exitCode: 0,
  });
  const started = await t.run([
    "exec",
    "app",
    "--background",
    "--",
    "sh",
    "-c",
    "echo up; (setsid sleep 300 &) ; sleep 300",
  ]);
  expect(started).toMatchObject({ stderr: "", exitCode: 0 });
  const id = started.stdout.slice(0, 12);
  expect(started.stdout).toBe(`${id}  pid PID, output in DIR/home/logs/app/exec-${id}.log\n`);
  const listed = (await t.json(["exec", "app", "--list"])).value as { pid: number }[];
  expect<unknown>(listed).toEqual([
    {
      id,
      pid: expect.any(Number),
      state: "running",
      command: ["sh", "-c", expect.any(String)],
      started: expect.any(String),
      log: `${t.home}/logs/app/exec-${id}.log`,
    },
  ]);
  const killed = await t.json(["exec", "--kill", id, "app"]);
  expect(killed).toEqual({
    value: { id, stopped: expect.any(Number), survivors: 0 },
    stderr: "",
    exitCode: 0,
  });
  expect(hasEnded(listed[0]?.pid ?? 0)).toBe(true);
  const [head, row] = (await t.run(["exec", "--list", "app"])).stdout.split("\n");
  expect(head).toMatch(/^ID {12}PID {2,}STATE {2}STARTED {2,}COMMAND$/);
  expect(row).toMatch(new RegExp(`^${id}  \\d+ +ended  TIME  sh -c echo up; `));
});

test("Ctrl-C in a terminal reaches the command once, and aurora waits for it", async () => {
  await using t = await withPack();
  const script =
    "trap 'echo caught' INT; trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
  let typed = 0;
  const { shown, exitCode } = await inTerminal(t.home, ["exec", "app", "--", "sh", "-c", script], (text) => {
    if (text.includes("ready") && typed === 0 && ++typed) return "\u0003";
    if (text.includes("caught") && typed === 1 && ++typed) {
      // It has been caught, so the command is still there; a second one would have come by now or comes with this.
      const pid = Bun.spawnSync(["pgrep", "-f", "trap 'echo caught' INT; trap"])
        .stdout.toString()
        .trim()
        .split("\n");
      for (const candidate of pid)
        if (
          environmentOf(candidate).includes(`AURORA_HOME=${t.home}`) &&
          environmentOf(candidate).includes("AURORA_RUN_ID")
        )
          process.kill(Number(candidate), "SIGTERM");
    }
    return undefined;
  });
  expect([shown.match(/caught/g)?.length, shown.includes("bye"), exitCode]).toEqual([1, true, 9]);
});

test("the command keeps the terminal, and Ctrl-C on one that does not catch it is exit 130", async () => {
  await using t = await withPack();
  const { shown, exitCode } = await inTerminal(
    t.home,
    ["exec", "app", "--", "sh", "-c", "test -t 0 && test -t 1 && tty < /dev/tty && echo ready; sleep 300"],
    (text) => (text.includes("ready\r\n") ? "\u0003" : undefined),
  );
  expect([/^\/dev\/(pts\/\d+|tty)\nready\n/.test(shown), exitCode]).toEqual([true, 130]);
});

function startedBy(home: string, argv: string[]) {
  return Bun.spawn([...auroraCommand, ...argv], {
    env: { PATH: Bun.env["PATH"] ?? "/usr/bin:/bin", HOME: "/nonexistent", AURORA_HOME: home },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
}

test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("%s to aurora reaches the command", async (signal) => {
  await using t = await withPack();
  const script = `trap 'echo got; exit 5' ${signal.slice(3)}; echo ready; while :; do sleep 0.02; done`;
  const child = startedBy(t.home, ["exec", "app", "--", "sh", "-c", script]);
  let output = "";
  for await (const chunk of child.stdout) {
    output += new TextDecoder().decode(chunk);
    if (output === "ready\n") child.kill(signal);
  }
  expect([output, await child.exited]).toEqual(["ready\ngot\n", 5]);
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)(
  "%s while --json captures ends the whole tree: exit %i, and the error says so",
  async (signal, code) => {
    await using t = await withPack();
    const script =
      "trap '' INT TERM; (setsid sleep 300 & echo $! > $AURORA_DATA_DIR/daemon) ; echo $$ > $AURORA_DATA_DIR/pid; sleep 300";
    const child = startedBy(t.home, ["--json", "exec", "app", "--", "sh", "-c", script]);
    const pidOf = (name: string) => {
      try {
        return Number(readFileSync(`${t.home}/data/app/${name}`, "utf8"));
      } catch {
        return 0;
      }
    };
    while (pidOf("pid") === 0) await Bun.sleep(5);
    child.kill(signal);
    expect(await child.exited).toBe(code);
    expect(JSON.parse(await child.stderr.text())).toMatchObject({
      error: { code: "interrupted", exit_code: code },
    });
    expect(["pid", "daemon"].map((name) => hasEnded(pidOf(name)))).toEqual([true, true]);
  },
);

test("--audit lets happen what it is not told of, and says of each layer what it can tell", async () => {
  await using t = testHome();
  t.write({ id: "app", start: null, stop: null, health: null });
  await t.run(["install", "app"]);
  const touch = `touch '${t.shared}/touched'`;
  expect(await t.run(["exec", "app", "--", "sh", "-c", touch])).toMatchObject({ exitCode: 1 });
  const { stdout, exitCode } = await t.run(["exec", "app", "--audit", "--json", "--", "sh", "-c", touch]);
  const { rc, audit } = JSON.parse(stdout.replaceAll('":N', '":0')) as {
    rc: number;
    audit: { layers: { layer: string; state: string; reason: string | null }[]; refused: unknown[] };
  };
  expect(rc).toBe(exitCode);
  expect(audit.layers).toContainEqual({ layer: "seccomp", state: "reported", reason: null });
  const people = await t.run(["exec", "app", "--audit", "--", "true"]);
  expect(people).toMatchObject({ stdout: "", exitCode: 0 });
  const landlock = audit.layers.find(({ layer }) => layer === "landlock-files");
  expect(await Bun.file(`${t.shared}/touched`).exists()).toBe(landlock?.state === "untold");
  if (landlock?.state === "refused")
    return expect(audit.refused).toContainEqual(expect.objectContaining({ object: t.shared }));
  expect(landlock?.reason).toStartWith("Landlock can only refuse, and ");
  expect(people.stderr).toContain(`cannot tell for landlock-files: ${landlock?.reason}`);
});

test.each([
  [["--explain", "--audit"], "--explain and --audit exclude each other"],
  [["--audit", "--background"], "--background and --audit exclude each other"],
  [["--audit", "--require-confinement"], "--audit and --require-confinement exclude each other"],
  [["--explain", "--timeout", "1s"], "--explain takes no --timeout"],
])("%j is wrong usage", async (options, message) => {
  await using t = testHome();
  expect(await t.run(["exec", "app", ...options, "--", "true"])).toEqual({
    stdout: "",
    stderr: `error[usage]: ${message}\nhint: aurora help exec shows how it is called\n`,
    exitCode: 2,
  });
});
