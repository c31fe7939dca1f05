import { expect, test } from "bun:test";

import { hasStarted, type HostedService } from "../../src/lifecycle/service-host.ts";

const service: HostedService = { state: "running", health: "unknown", pid: 1, exit_code: null, reason: null };

test.each([
  ["running", {}, true],
  ["being checked", { state: "starting" }, true],
  ["tried again, since it was not ready in time", { state: "starting", reason: "it was not ready" }, false],
  ["waiting for what is not healthy", { state: "starting", reason: 'it waits for "db"' }, false],
  ["done, with 0", { state: "exited", exit_code: 0 }, true],
  ["done, with another code", { state: "exited", exit_code: 3 }, false],
  ["waiting for its next start", { state: "backoff", exit_code: 0 }, false],
  ["given up", { state: "failed", exit_code: 1 }, false],
  ["stopped", { state: "stopped" }, false],
] as const)("a service that is %s has started: %p", (_, more, expected) => {
  expect(hasStarted({ ...service, ...more })).toBe(expected);
});
