import { describe, expect, test } from "bun:test";

import { aurora, scratch } from "../support/aurora.ts";
import { userHome, users } from "../support/user-home.ts";

const TIMEOUT_MS = 60_000;
const say = '"$AURORA_BIN" notify';

describe.each(users)("as %s", (user) => {
  test(
    "a service in shell says by it that it is ready, and how it is",
    async () => {
      await using t = userHome(user);
      t.write({
        id: "web",
        install: null,
        start: `${say} STATUS=warming; ${say} READY=1 "STATUS=12 clients" --json; exec sleep 300`,
        stop: null,
        health: null,
        manifest: "  service: { type: notify }",
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
