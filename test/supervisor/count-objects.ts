/** How many objects there are more for each service that runs: `count-objects.ts DIRECTORY` prints it. */
import { heapStats } from "bun:jsc";

import { RecordFile } from "../../src/supervisor/record-file.ts";
import { type ServiceSpec } from "../../src/supervisor/service-spec.ts";
import { Supervisor } from "../../src/supervisor/supervisor.ts";
import { gate } from "./service.ts";

/** What the first ones leave behind is there once for all. */
const FIRST = 30;
const MORE = 100;

const [directory = ""] = process.argv.slice(2);
const world = {
  isWanted: () => true,
  isHealthy: () => false,
  notifyDirectory: directory,
  warn: (message: string) => console.error(message),
};
const alike = {
  generation: 1,
  type: "simple",
  argv: ["/bin/sleep", "infinity"],
  cwd: "/",
  env: () => ({}),
  restart: "always",
  backoffSeconds: [1, 1],
  startLimit: { burst: 5, intervalSeconds: 60 },
  stopSignal: "SIGKILL",
  stopTimeoutSeconds: 5,
  startTimeoutSeconds: 5,
  health: { config: gate, watchSeconds: 0 },
  probe: null,
  dependencies: [],
} satisfies Partial<ServiceSpec>;

const store = new RecordFile(`${directory}/records`);
const supervisor = new Supervisor(world, store);

async function start(from: number, to: number): Promise<void> {
  for (let index = from; index < to; index++) {
    const packId = `service-${index}`;
    await supervisor.start({ ...alike, packId, logDirectory: `${directory}/${packId}` });
  }
}

async function count(): Promise<number> {
  // What is due at once is done before.
  await new Promise(setImmediate);
  Bun.gc(true);
  return heapStats().objectCount;
}

try {
  await start(0, FIRST);
  const before = await count();
  await start(FIRST, FIRST + MORE);
  const after = await count();
  console.log(Math.round((after - before) / MORE));
} finally {
  await supervisor.stopAll(0);
  await supervisor[Symbol.asyncDispose]();
  store[Symbol.dispose]();
}
