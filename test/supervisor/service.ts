import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { ServiceRecord, ServiceStore } from "../../src/supervisor/service-record.ts";
import type { ServiceSpec } from "../../src/supervisor/service-spec.ts";
import type { ServiceView } from "../../src/supervisor/service-view.ts";
import type { SupervisorWorld } from "../../src/supervisor/supervisor-world.ts";
import { Supervisor } from "../../src/supervisor/supervisor.ts";
import { removeTree } from "../../src/system/scratch.ts";

/** Records in memory, which outlive the supervisors that write them. */
class MemoryStore implements ServiceStore {
  readonly records = new Map<string, ServiceRecord>();
  load = () => structuredClone([...this.records.values()]);
  save = (records: readonly ServiceRecord[]) => {
    for (const record of records) this.records.set(record.packId, structuredClone(record));
  };
  remove = (packId: string) => void this.records.delete(packId);
}

/** A directory with supervisors on it, one after the other; at the end nothing of their services is left. */
export function supervised(more: Partial<SupervisorWorld> = {}) {
  const directory = mkdtempSync(join(tmpdir(), "aurora-supervisor-"));
  const store = new MemoryStore();
  const warnings: string[] = [];
  const unwanted = new Set<string>();
  const world: SupervisorWorld = {
    isWanted: (packId) => !unwanted.has(packId),
    isHealthy: () => false,
    notifyDirectory: directory,
    warn: (message) => void warnings.push(message),
    ...more,
  };
  let supervisor = new Supervisor(world, store);
  return {
    directory,
    store,
    warnings,
    unwanted,
    world,
    get supervisor() {
      return supervisor;
    },
    /** What the next daemon does: the one before is gone without a word. */
    async next(specs: readonly ServiceSpec[]): Promise<Supervisor> {
      await supervisor[Symbol.asyncDispose]();
      supervisor = new Supervisor(world, store);
      await supervisor.adopt(specs);
      return supervisor;
    },
    /** A service that runs a shell script. */
    service(packId: string, script: string, more: Partial<ServiceSpec> = {}): ServiceSpec {
      return {
        packId,
        generation: 1,
        type: "simple",
        argv: ["/bin/sh", "-c", script],
        cwd: directory,
        env: () => ({ PATH: "/usr/bin:/bin", DIR: directory }),
        restart: "on-failure",
        backoffSeconds: [0.01, 1],
        startLimit: { burst: 5, intervalSeconds: 60 },
        stopSignal: "SIGTERM",
        stopTimeoutSeconds: 5,
        startTimeoutSeconds: 10,
        health: { config: gate, watchSeconds: 0 },
        probe: null,
        dependencies: [],
        logDirectory: `${directory}/logs/${packId}`,
        ...more,
      };
    },
    /** Resolves with the first view of a pack for which `isIt` holds, the present one included. */
    async seen(packId: string, isIt: (view: ServiceView) => boolean): Promise<ServiceView> {
      const now = supervisor.view(packId);
      if (now && isIt(now)) return now;
      const { promise, resolve } = Promise.withResolvers<ServiceView>();
      const end = supervisor.subscribe((view) => {
        if (view.packId === packId && isIt(view)) resolve(view);
      });
      const view = await promise;
      end();
      return view;
    },
    async [Symbol.asyncDispose]() {
      await supervisor.stopAll(0);
      await supervisor[Symbol.asyncDispose]();
      removeTree(directory);
    },
  };
}

export const gate = {
  grace_seconds: 0,
  interval_seconds: 0.01,
  passes: 1,
  deadline_seconds: 5,
  soak_seconds: 0,
};
