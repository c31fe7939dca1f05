/** A start behind a pack that does not become healthy says for whom it waits, and why that is so. */
import { expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";

import { takeDaemonLock } from "../../src/daemon/daemon-lock.ts";
import { socketPath } from "../../src/daemon/socket-path.ts";
import { serviceHome, simplePack } from "../daemon/service-home.ts";
import { auroraCommand } from "../support/aurora.ts";
import { eventually } from "../support/eventually.ts";
import { hasTmux, terminal } from "../support/terminal.ts";

const noDisk = "its health check ended with exit code 1: no disk";

/** `app` is stopped; `db`, which it needs, was started and does not get healthy until there is the file that is returned. */
async function homeBehindSickPack(t: ReturnType<typeof serviceHome>): Promise<string> {
  const well = `${t.home}/well`;
  t.write(simplePack({ id: "db", health: 'test -e "$AURORA_HOME/well" || { echo "no disk"; exit 1; }' }));
  t.write(simplePack({ manifest: '  dependencies: [{ pack_id: db, version_constraint: "*" }]' }));
  await t.run(["ns", "register", "app"]);
  writeFileSync(well, "");
  expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
  expect(await t.run(["stop", "app", "db"])).toMatchObject({ exitCode: 0 });
  rmSync(well);
  expect(await t.run(["start", "db"])).toMatchObject({ exitCode: 0 });
  await t.reaches("a failed check", ({ reason }) => reason === noDisk, "db");
  return well;
}

test.skipIf(!hasTmux)("on a terminal it is shown after a moment, and gone when it is over", async () => {
  await using t = serviceHome();
  const well = await homeBehindSickPack(t);
  const command = [...auroraCommand, "start", "app", "--home", t.home];
  using screen = terminal(command, { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent" });
  await screen.shows(`"app" waits: "db" is starting: ${noDisk}`);
  writeFileSync(well, "");
  await screen.shows("ended with 0");
  expect(screen.screen().trim()).toMatch(/^app is running \(pid \d+\)\nended with 0$/);
});

test("where it has waited in vain it says why; elsewhere than on a terminal nothing is shown before", async () => {
  await using t = serviceHome();
  await homeBehindSickPack(t);
  await t.crashDaemon();
  // Its time to give up is a matter of minutes: one that answers so at once stands in for it.
  const paths = { run: `${t.home}/run` };
  const holder = { pid: process.pid, version: "1.0.0", started_at: new Date().toISOString() };
  // A process that it was just starting has its lock until it is another program.
  using _lock = await eventually("its lock", () => takeDaemonLock(paths, holder));
  rmSync(socketPath(paths), { force: true });
  const reason = 'it waits for "db" to be healthy';
  const answer = { pack_id: "app", state: "starting", health: "unknown", pid: null, exit_code: null, reason };
  using _daemon = Bun.serve({ unix: socketPath(paths), fetch: () => Response.json(answer) });
  expect(await t.run(["start", "app"])).toEqual({
    stdout: "",
    stderr: `error[script-failed]: cannot start "app": ${reason}; "db" is starting: ${noDisk}
hint: aurora logs app shows what it printed
`,
    exitCode: 1,
  });
});
