/** A command that needs the daemon starts it and hears from it that it listens: no time goes by that nobody needs. */
import { expect, jest, test } from "bun:test";
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";

import { startDaemon } from "../../src/daemon/start-daemon.ts";
import { tryFlock } from "../../src/system/flock.ts";
import { homePaths } from "../../src/system/home.ts";
import { aurora, auroraCommand, scratch } from "../support/aurora.ts";
import { canTrace } from "../support/can-trace.ts";
import { eventually } from "../support/eventually.ts";
import { testHome } from "../support/test-home.ts";
import { simplePack } from "./service-home.ts";

test("no clock decides when it is there", async () => {
  using directory = scratch();
  const self = `${directory.path}/program`;
  writeFileSync(self, `#!/bin/sh\necho $$ > ${directory.path}/pid\necho "{}"\nexec sleep 300\n`);
  chmodSync(self, 0o755);
  const paths = homePaths(`${directory.path}/home`);
  // Whoever waits for a time waits for ever now.
  jest.useFakeTimers();
  try {
    await startDaemon({ paths, self, env: Bun.env, signal: new AbortController().signal });
  } finally {
    jest.useRealTimers();
  }
  process.kill(Number(readFileSync(`${directory.path}/pid`, "utf8")), "SIGKILL");
});

test("nor when it is told why there is none: as soon as the one that was started has ended, in its own words", async () => {
  using directory = scratch();
  const self = `${directory.path}/program`;
  const said = {
    error: {
      code: "state-invalid",
      message: "cannot read the registry",
      hint: null,
      exit_code: 7,
      diagnostics: [
        { message: "page 2 is damaged", file: null, line: null, column: null, hint: "restore it" },
      ],
    },
  };
  // It has told why, and something else has come to its end after that.
  writeFileSync(
    self,
    `#!/bin/sh\necho '${JSON.stringify(said)}' >&2\necho 'warning: a check was stopped' >&2\nexit 7\n`,
  );
  chmodSync(self, 0o755);
  const paths = homePaths(`${directory.path}/home`);
  jest.useFakeTimers();
  try {
    await startDaemon({ paths, self, env: Bun.env, signal: new AbortController().signal });
    throw new Error("it was started");
  } catch (thrown) {
    expect(thrown).toMatchObject({
      code: "state-invalid",
      message: "cannot start the daemon: cannot read the registry",
      diagnostics: [{ message: "page 2 is damaged", hint: "restore it" }],
      hint: `${paths.logs}/daemon.log says more; "aurora daemon" starts it in the foreground`,
    });
  } finally {
    jest.useRealTimers();
  }
});

test("a daemon that is about to end is in nobody's way", async () => {
  using directory = scratch();
  const self = `${directory.path}/program`;
  const conflict = {
    error: { code: "conflict", message: "one is running", hint: null, exit_code: 8, diagnostics: [] },
  };
  writeFileSync(
    self,
    `#!/bin/sh
cd ${directory.path}
if [ -e asked ]; then echo $$ > pid; echo "{}"; exec sleep 300; fi
touch asked
echo '${JSON.stringify(conflict)}' >&2
exit 8
`,
  );
  chmodSync(self, 0o755);
  const paths = homePaths(`${directory.path}/home`);
  mkdirSync(paths.run, { recursive: true });
  const place = openSync(`${paths.run}/daemon.lock`, "a+");
  expect(tryFlock(place, "exclusive")).toBe(true);
  const started = startDaemon({ paths, self, env: Bun.env, signal: new AbortController().signal });
  await eventually("the first one", () => existsSync(`${directory.path}/asked`) || undefined);
  closeSync(place);
  await started;
  process.kill(Number(readFileSync(`${directory.path}/pid`, "utf8")), "SIGKILL");
});

/** Calls by which a thread waits; what the processes of a program's other threads do is not followed. */
const WAITS = ["epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "nanosleep", "clock_nanosleep"];
/** More than all that it waits for, on a machine on which each wait is interrupted; who asks again and again asks thousands of times. */
const MANY = 50;

const tracedTo = (path: string) => ["strace", "-qq", "-o", path, "-e", `trace=openat,write,${WAITS.join()}`];
const waitsIn = (calls: readonly string[]) =>
  calls.filter((call) => WAITS.some((name) => call.startsWith(`${name}(`)));

test.skipIf(!canTrace)("neither asks again and again (needs strace and the right to trace)", async () => {
  await using t = testHome();
  t.write(simplePack());
  await t.run(["install", "app", "--no-start"]);
  using directory = scratch();
  const trace = `${directory.path}/trace`;
  const callsOf = () => readFileSync(trace, "utf8").split("\n");

  expect(await aurora(["start", "app"], { home: t.home, prefix: tracedTo(trace) })).toMatchObject({
    stderr: "",
    exitCode: 0,
  });
  // Before the start and, for what is asked of it, after that.
  expect(callsOf().filter((call) => call.includes("/run/daemon.lock"))).toHaveLength(2);
  expect(waitsIn(callsOf()).length).toBeLessThan(MANY);

  await t.run(["daemon", "stop", "--services"]);
  const daemon = Bun.spawn([...tracedTo(trace), ...auroraCommand, "daemon", "--home", t.home, "--json"], {
    env: { PATH: Bun.env["PATH"] ?? "" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  await daemon.stdout.getReader().read();
  await t.run(["daemon", "stop", "--services"]);
  await daemon.exited;
  const ready = callsOf().findIndex((call) => call.startsWith('write(1, "{\\"running\\":true'));
  expect(ready).toBeGreaterThan(0);
  expect(waitsIn(callsOf().slice(0, ready)).length).toBeLessThan(MANY);
});
