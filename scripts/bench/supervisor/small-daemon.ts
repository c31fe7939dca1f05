/**
 * The supervisor alone in a small program, for measuring: `small-daemon DIRECTORY` runs what DIRECTORY/services.json lists
 * (`[{"name","argv"}]`), until SIGTERM stops all of it. `small-daemon DIRECTORY status` asks it over DIRECTORY/socket.
 */
import { readFileSync, rmSync, writeSync } from "node:fs";

import { RecordFile } from "../../../src/supervisor/record-file.ts";
import { type ServiceSpec, unknownSpec } from "../../../src/supervisor/service-spec.ts";
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
const listed = JSON.parse(readFileSync(`${directory}/services.json`, "utf8")) as {
  name: string;
  argv: string[];
}[];
const specs = listed.map(({ name, argv }): ServiceSpec => ({
  ...unknownSpec({ packId: name, generation: 1, logDirectory: `${directory}/logs/${name}` }),
  argv,
  cwd: directory,
  env: () => ({ PATH: "/usr/bin:/bin" }),
  restart: "always",
  backoffSeconds: [1, 60],
  startLimit: { burst: 1000, intervalSeconds: 60 },
  stopTimeoutSeconds: 5,
}));

const world = {
  isWanted: () => true,
  isHealthy: () => false,
  notifyDirectory: directory,
  warn: (message: string) => console.error(message),
};
const supervisor = new Supervisor(world, new RecordFile(`${directory}/records`));
await supervisor.adopt(specs);
rmSync(`${directory}/socket`, { force: true });
Bun.serve({
  unix: `${directory}/socket`,
  fetch: () => Response.json(supervisor.views()),
});
setTimeout(giveBackMemory, REST_MS);
process.on("SIGTERM", () => {
  void supervisor.stopAll(STOP_MS).then(() => process.exit(0));
});
