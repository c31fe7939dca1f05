/** What a daemon keeps of each service for as long as it lives. */
import { expect, test } from "bun:test";
import { join } from "node:path";

import { alike } from "../../src/supervisor/alike.ts";
import { policyOf, unknownSpec } from "../../src/supervisor/service-spec.ts";
import { scratch } from "../support/aurora.ts";
import { supervised } from "./service.ts";

/** 16 when this was written; a closure with what it sees is three more. */
const MAX_OBJECTS = 18;

test("a service that runs is a few objects", async () => {
  using directory = scratch();
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "count-objects.ts"), directory.path], {
    env: { PATH: process.env["PATH"] ?? "" },
    stderr: "pipe",
  });
  const [printed, said] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(said).toBe("");
  expect(await child.exited).toBe(0);
  expect(Number(printed)).toBeGreaterThan(0);
  expect(Number(printed)).toBeLessThanOrEqual(MAX_OBJECTS);
});

test("services that are gathered are as they were, and go on as before", async () => {
  await using t = supervised();
  const web = t.service("web", "exec sleep infinity");
  await t.supervisor.start(web);
  await t.supervisor.start(t.service("db", "exit 0"));
  await t.seen("db", ({ state }) => state === "exited");
  const before = t.supervisor.views();
  t.supervisor.gather();
  expect(t.supervisor.views()).toEqual(before);
  expect(await t.supervisor.start({ ...web, generation: 2 })).toMatchObject({
    state: "running",
    restarts: 0,
  });
  expect(await t.supervisor.stop("web")).toMatchObject({ state: "stopped" });
});

test("what services have alike is there once", () => {
  const spec = (packId: string) => unknownSpec({ packId, generation: 1, logDirectory: `/logs/${packId}` });
  expect(policyOf(spec("a"))).toBe(policyOf(spec("b")));
  expect(policyOf({ ...spec("b"), restart: "always" })).not.toBe(policyOf(spec("a")));
  expect(policyOf({ ...spec("b"), restart: "always" })).toMatchObject({ restart: "always", type: "simple" });
});

test("however many different ones there have been, the next is what it is", () => {
  const first = alike({ number: 0 });
  for (let number = 1; number < 3000; number++) expect(alike({ number })).toEqual({ number });
  expect(alike({ number: 0 })).toEqual(first);
});
