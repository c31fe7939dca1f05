/**
 * The supervisor alone in a small program, for measuring: `small-daemon DIRECTORY` runs what DIRECTORY/services.json lists
 * (`[{"name","argv"}]`), until SIGTERM stops all of it. `small-daemon DIRECTORY status` asks it over DIRECTORY/socket.
 */
import { readFileSync, rmSync, writeSync } from "node:fs";

import { RecordFile } from "../../../src/supervisor/record-file.ts";
import { type ServiceSpec } from "../../../src/supervisor/service-spec.ts";
import { Supervisor } from "../../../src/supervisor/supervisor.ts";
import { giveBackMemory } from "../../../src/system/give-back-memory.ts";

const REST_MS = 3000;
const STOP_MS = 10_000;

const [directory = ".", verb] = process.argv.slice(2);
if (verb === "status") {
  const answer = await fetch("http://localhost/", { unix: `${directory}/socket` });
  writeSync(1, await answer.text());
  process.exit(0);
}
const alikeInAll = {
  generation: 1,
  type: "simple",
  cwd: directory,
  env: () => ({ PATH: "/usr/bin:/bin" }),
  restart: "always",
  backoffSeconds: [1, 60],
  startLimit: { burst: 1000, intervalSeconds: 60 },
  stopSignal: "SIGTERM",
  stopTimeoutSeconds: 5,
  startTimeoutSeconds: 1,
  health: {
    config: { grace_seconds: 0, interval_seconds: 1, passes: 1, deadline_seconds: 1, soak_seconds: 0 },
    watchSeconds: 0,
  },
  probe: null,
  dependencies: [],
} satisfies Partial<ServiceSpec>;

/** As in the daemon, nothing is held that is only read, and what all have alike is there once. */
function readSpecs(): ServiceSpec[] {
  const text = readFileSync(`${directory}/services.json`, "utf8");
  const listed = JSON.parse(text) as { name: string; argv: string[] }[];
  return listed.map(({ name, argv }) => ({
    ...alikeInAll,
    packId: name,
    argv,
    logDirectory: `${directory}/logs/${name}`,
  }));
}

const world = {
  isWanted: () => true,
  isHealthy: () => false,
  notifyDirectory: directory,
  warn: (message: string) => console.error(message),
};
const supervisor = new Supervisor(world, new RecordFile(`${directory}/records`));
await supervisor.adopt(readSpecs());
rmSync(`${directory}/socket`, { force: true });
Bun.serve({
  unix: `${directory}/socket`,
  fetch: () => Response.json(supervisor.views()),
});
setTimeout(() => {
  supervisor.gather();
  giveBackMemory();
}, REST_MS);
process.on("SIGTERM", () => {
  void supervisor.stopAll(STOP_MS).then(() => process.exit(0));
});
