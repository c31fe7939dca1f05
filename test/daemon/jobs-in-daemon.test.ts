/** Jobs under the daemon, seen from outside. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";

import { eventually } from "../support/eventually.ts";
import { serviceHome, simplePack } from "./service-home.ts";

const job = { files: { "beat.sh": '#!/bin/sh\necho beat >> "$AURORA_DATA_DIR/beats"\n' } };
const beats = (home: string) => {
  const path = `${home}/data/app/beats`;
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0;
};

test("a pack with jobs brings the daemon, which runs them, also after its crash as soon as it is there again", async () => {
  await using t = serviceHome();
  t.write({
    id: "app",
    start: null,
    stop: null,
    health: null,
    install: null,
    ...job,
    manifest: "  schedule: [{ name: beat, every: 200ms, run: beat.sh }]",
  });
  Bun.spawnSync(["chmod", "+x", `${t.packs}/app/beat.sh`]);
  expect((await t.run(["install", "app"])).exitCode).toBe(0);
  await eventually("two beats", () => beats(t.home) >= 2 || undefined);
  await t.crashDaemon();
  const before = beats(t.home);
  expect(
    (await t.run(["schedule", "add", "app", "--name", "more", "--every", "1h", "--", "true"])).stdout,
  ).not.toContain("--foreground");
  await eventually("more beats", () => beats(t.home) >= before + 2 || undefined);
  expect((await t.run(["schedule", "run", "--foreground"])).stderr).toStartWith(
    'error[locked]: cannot run the jobs of this home: "daemon" (pid PID, since TIME) does so already\n',
  );
});

test("a running daemon notices the first job by itself", async () => {
  await using t = serviceHome();
  t.write(simplePack(job));
  Bun.spawnSync(["chmod", "+x", `${t.packs}/app/beat.sh`]);
  await t.run(["install", "app"]);
  await t.run(["--no-daemon", "schedule", "add", "app", "--name", "beat", "--in", "0s", "--", "./beat.sh"]);
  await eventually("a beat", () => beats(t.home) === 1 || undefined);
});
