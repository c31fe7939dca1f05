import { type JournalEntry } from "../../../src/lifecycle/runner.ts";
import { type PackNeeds, type TransactionPlan } from "../../../src/lifecycle/steps.ts";
import { type TransactionState } from "../../../src/registry/transactions.ts";

/** A pack of a simulated transaction. */
export type SimulatedPack = PackNeeds & { pack_id: string; dependsOn: string[] };

/** A process that a start left running. */
export type Process = { pack_id: string; serviceId: number; digest: string };

/** A pack's data, by who wrote how much of it: what a snapshot holds and a restore brings back. */
export type Data = {
  byOld: number;
  byNew: number;
  byInstall: number;
  /** Whether it came from the snapshot of an earlier generation. */
  isRestored: boolean;
};

type Service = {
  wanted: "running" | "stopped";
  state: "starting" | "running" | "stopping" | "stopped";
  generation: number;
  serviceId: number;
};

/** All that survives a kill; of a reboot only the processes do not. */
export type World = {
  live: Map<string, string>;
  processes: Process[];
  data: Map<string, Data | "absent">;
  snapshots: Map<string, Data>;
  /** Half-made copies and replaced directories, by name: they must be gone at the end. */
  scratch: Set<string>;
  healthy: Set<number>;
  registry: {
    packs: Map<string, { generation: number; digest: string }>;
    services: Map<string, Service>;
    journal: JournalEntry[];
    state: TransactionState;
    finished: boolean;
    cleanup: boolean;
    confirm: string | null;
  };
  clock: { bootId: string; uptimeMs: number; wallMs: number };
  nextServiceId: number;
};

/** A home in which the packs of a plan are as they were before it. */
export function worldBefore(packs: readonly SimulatedPack[], confirmWithinMs: number | null): World {
  const world: World = {
    live: new Map(),
    processes: [],
    data: new Map(),
    snapshots: new Map(),
    scratch: new Set(),
    healthy: new Set(),
    registry: {
      packs: new Map(),
      services: new Map(),
      journal: [],
      state: "running",
      finished: false,
      cleanup: false,
      confirm: null,
    },
    clock: { bootId: "boot-0", uptimeMs: 1_000_000, wallMs: Date.UTC(2026, 0, 1) },
    nextServiceId: 1,
  };
  for (const { pack_id, pack } of packs) {
    world.data.set(pack_id, { byOld: 0, byNew: 0, byInstall: 0, isRestored: false });
    if (!pack.from) continue;
    world.live.set(pack_id, pack.from.digest);
    world.registry.packs.set(pack_id, { generation: pack.from.generation, digest: pack.from.digest });
    const serviceId = world.nextServiceId++;
    // What is tried has a process that is not healthy.
    const isThere = pack.was_running || pack.was_tried;
    world.registry.services.set(pack_id, {
      wanted: isThere ? "running" : "stopped",
      state: isThere ? "running" : "stopped",
      generation: pack.from.generation,
      serviceId,
    });
    if (isThere) world.processes.push({ pack_id, serviceId, digest: pack.from.digest });
    if (pack.was_running) world.healthy.add(serviceId);
  }
  if (confirmWithinMs !== null) {
    const { bootId, uptimeMs, wallMs } = world.clock;
    world.registry.confirm = JSON.stringify({
      within_ms: confirmWithinMs,
      started: { bootId, uptimeMs },
      started_at: new Date(wallMs).toISOString(),
    });
  }
  return world;
}

export function packOf(plan: TransactionPlan, packId: string): TransactionPlan["packs"][number] {
  const pack = plan.packs.find(({ pack_id }) => pack_id === packId);
  if (!pack) throw new Error(`the plan has no pack ${packId}`);
  return pack;
}

/** Every running process writes to its pack's data: a snapshot that is taken at the wrong time shows in the sums. */
export function letProcessesWrite(world: World, plan: TransactionPlan): void {
  for (const { pack_id, digest } of world.processes) {
    const data = world.data.get(pack_id);
    if (data === undefined || data === "absent") continue;
    if (digest === packOf(plan, pack_id).to?.digest) data.byNew++;
    else data.byOld++;
  }
}

/** A crash that takes the machine with it: the disk stays, the processes do not. */
export function reboot(world: World, clockStepMs: number): void {
  world.processes = [];
  world.healthy.clear();
  world.clock = {
    bootId: `${world.clock.bootId}+`,
    uptimeMs: 1000,
    wallMs: world.clock.wallMs + clockStepMs,
  };
}

export function passTime(world: World, ms: number): void {
  world.clock.uptimeMs += ms;
  world.clock.wallMs += ms;
}
