import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";

import { callDaemon, findDaemon, NoDaemon } from "../../src/daemon/client.ts";
import { takeDaemonLock } from "../../src/daemon/daemon-lock.ts";
import { toAuroraError } from "../../src/errors.ts";
import { scratch } from "../support/aurora.ts";

test("a daemon that is not there, or does not listen, is none, and no bug", async () => {
  using directory = scratch();
  const paths = { run: `${directory.path}/run` };
  mkdirSync(paths.run);
  const thrown = async () => {
    try {
      return await callDaemon(paths, "GET", "/v1/daemon");
    } catch (error) {
      return error;
    }
  };
  const hint = "try again; aurora daemon status shows whether one runs";
  const none = await thrown();
  expect(none).toBeInstanceOf(NoDaemon);
  expect(toAuroraError(none)).toMatchObject({ code: "failed", message: "there is no daemon", hint });
  expect(await findDaemon(paths)).toBeUndefined();
  // It has the lock and does not listen yet, or not any more.
  const holder = { pid: process.pid, version: "1.0.0", started_at: "2026-01-01T00:00:00.000Z" };
  using _lock = await takeDaemonLock(paths, holder);
  expect(toAuroraError(await thrown())).toMatchObject({
    code: "failed",
    message: expect.stringMatching(/^the daemon does not answer \(\w+\)$/),
    hint,
  });
});
