import { describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";

import { aurora, scratch } from "../support/aurora.ts";
import { testHome } from "../support/test-home.ts";
import { userHome, users } from "../support/user-home.ts";

const TIMEOUT_MS = 60_000;
const notifyOnly = {
  install: null,
  stop: null,
  health: null,
  manifest: "  service: { type: notify }",
};
const say = '"$AURORA_BIN" notify';

describe.each(users)("as %s", (user) => {
  test(
    "a service in shell says by it that it is ready, and how it is",
    async () => {
      await using t = userHome(user);
      t.write({
        id: "web",
        start: `${say} STATUS=warming; ${say} READY=1 "STATUS=12 clients" --json; exec sleep 300`,
        ...notifyOnly,
      });
      expect(await t.run(["install", "web", "--quiet"])).toEqual({
        stdout: "committed\nweb 1.0.0, generation 1\n",
        stderr: "",
        exitCode: 0,
      });
      expect(await t.json(["status", "web"])).toMatchObject([
        { state: "running", status_text: "12 clients" },
      ]);
      expect(await t.json(["logs", "web", "-n", "1"])).toMatchObject([
        { source: "service", line: '{"told":["READY=1","STATUS=12 clients"]}' },
      ]);
    },
    TIMEOUT_MS,
  );
});

test("a service that ends before it has said READY=1 has failed, whatever its exit code", async () => {
  await using t = testHome();
  t.write({ id: "web", start: "exit 0", ...notifyOnly });
  expect(await t.run(["install", "web", "--quiet"])).toEqual({
    stdout: "rolled back: web: it ended with exit code 0 before it had said READY=1\nmore: aurora why web\n",
    stderr: "",
    exitCode: 4,
  });
});

test("in a home with too long a path a confined service is not started, and not waited for", async () => {
  using directory = scratch();
  const parent = `${directory.path}/${"long-".repeat(20)}`;
  mkdirSync(parent);
  await using t = testHome({ parent });
  t.write({ id: "web", start: `${say} READY=1; exec sleep 300`, ...notifyOnly });
  const run = `${t.home}/run`;
  expect(await t.run(["install", "web", "--quiet"])).toEqual({
    stdout: `rolled back: web: the home's path is too long for the socket of a confined service: "DIR/home/run" has ${run.length} bytes, and may have 77\nmore: aurora why web\n`,
    stderr: "",
    exitCode: 4,
  });
});

test("fails where nobody listens", async () => {
  using directory = scratch();
  expect(await aurora(["notify", "READY=1"])).toEqual({
    stdout: "",
    stderr:
      "error[failed]: cannot tell the supervisor: NOTIFY_SOCKET is not set\nhint: what a service of the type notify has started calls this\n",
    exitCode: 1,
  });
  const gone = `${directory.path}/gone`;
  expect(await aurora(["notify", "READY=1"], { env: { NOTIFY_SOCKET: gone } })).toEqual({
    stdout: "",
    stderr: `error[failed]: cannot tell the supervisor: nobody listens at "${gone}"\n`,
    exitCode: 1,
  });
});

test.each([
  ["REDY=1", 'did you mean "READY=1"?'],
  ["READY=0", 'did you mean "READY=1"?'],
  ["STATUS", 'did you mean "STATUS="?'],
  ["X_OWN=1", "aurora help notify shows what it can say"],
  ["STATUS=a\nREADY=1", "aurora help notify shows what it can say"],
])("%j is no state, and nothing is said", async (state, hint) => {
  expect(await aurora(["notify", "STATUS=fine", state], { env: { NOTIFY_SOCKET: "/nowhere" } })).toEqual({
    stdout: "",
    stderr: `error[usage]: ${JSON.stringify(state)} is nothing that a service can say\nhint: ${hint}\n`,
    exitCode: 2,
  });
});
