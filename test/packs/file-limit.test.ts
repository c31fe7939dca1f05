/** `limits.file_size`, and who writes its log itself: a service, and a command in the background. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { eventually } from "../support/eventually.ts";
import { userHome, users } from "../support/user-home.ts";

const TIMEOUT_MS = 60_000;
const LOG_BYTES = 1024 * 1024;
const print = `head -c ${LOG_BYTES} /dev/zero`;

describe.each(users)("as %s", (user) => {
  test("a log may be longer than a file that the pack writes", async () => {
    await using t = userHome(user);
    t.write({
      id: "app",
      install: null,
      start: `${print}; exec sleep 300`,
      stop: null,
      health: null,
      manifest: "  limits: { file_size: 64KiB }\n  service: { type: simple, restart: no }",
    });
    expect(await t.run(["install", "app", "--approve", "--quiet"])).toMatchObject({ exitCode: 0 });
    const log = (name: string) => readFileSync(`${t.home}/logs/app/${name}`);
    await eventually("its output", () => log("service.stdout.log").length >= LOG_BYTES || undefined);
    expect(await t.json(["status", "app"])).toMatchObject([{ state: "running", restarts: 0 }]);

    const started = await t.run(["exec", "app", "--background", "--json", "--", "sh", "-c", print]);
    const { id } = JSON.parse(started.stdout) as { id: string };
    await eventually("its output", () => log(`exec-${id}.log`).length >= LOG_BYTES || undefined);

    const written = await t.run(["exec", "app", "--", "sh", "-c", `${print} > "$AURORA_DATA_DIR/large"`]);
    expect(written).toMatchObject({ exitCode: 153 });
    expect(readFileSync(`${t.home}/data/app/large`).length).toBe(64 * 1024);
    expect(await t.run(["stop", "app", "--quiet"])).toMatchObject({ exitCode: 0 });
  }, TIMEOUT_MS);
});
