import { expect, test } from "bun:test";
import { rmSync } from "node:fs";

import { auroraCommand } from "../support/aurora.ts";
import { eventually } from "../support/eventually.ts";
import { serviceHome } from "./service-home.ts";

test("the daemon watches the health of a oneshot pack that was installed while it ran", async () => {
  await using t = serviceHome();
  const daemon = Bun.spawn([...auroraCommand, "daemon", "--home", t.home], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  await eventually("the daemon", () => t.daemonPid());
  t.write({
    id: "app",
    install: null,
    health: 'test -e "$AURORA_DATA_DIR/good"',
    clocks: "watch_seconds: 0.1",
    start: "touch data/good\nsleep 300 &\necho $! > data/pid",
  });
  await t.run(["install", "app"]);
  expect(await t.status()).toMatchObject({ health: "healthy" });
  rmSync(`${t.home}/data/app/good`);
  await t.reaches("its illness", ({ health, state }) => health === "unhealthy" && state === "running");
  expect((await t.events()).at(-1)).toBe("unhealthy");
  await Bun.write(`${t.home}/data/app/good`, "");
  await t.reaches("its recovery", ({ health }) => health === "healthy");
  daemon.kill();
  await daemon.exited;
});
