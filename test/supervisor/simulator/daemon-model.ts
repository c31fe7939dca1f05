import { type Effect, Fleet } from "../../../src/supervisor/fleet.ts";
import type { ServiceEvent } from "../../../src/supervisor/service-machine.ts";
import { hasProcess, type ServiceState } from "../../../src/supervisor/service-state.ts";
import type { Invariants } from "./invariants.ts";
import type { MachineRoom, Process } from "./machine-room.ts";
import { type Rules, Violation } from "./rules.ts";
import type { SimulatedService } from "./services.ts";

/** What outlives a daemon: the registry and the records. */
export type Disk = {
  wanted: Map<string, boolean>;
  records: Map<string, { mark: string; leader: Process | null; boot: number; state: ServiceState }>;
};

export type Surroundings = {
  services: readonly SimulatedService[];
  disk: Disk;
  machine: MachineRoom;
  invariants: Invariants;
  random: () => number;
  nowMs: () => number;
  boot: () => number;
};

/** The daemon dies here. */
class Death extends Error {}

type Instance = { mark: string; leader: Process | null; isProbing: boolean };

/** What the loop does, with the real fleet and simulated processes; it may die between any two things it does. */
export class DaemonModel {
  readonly fleet: Fleet;
  isDead = false;
  /** How likely it dies at a point where that matters. */
  deathRate = 0;
  readonly #instances = new Map<string, Instance>();
  readonly #around: Surroundings;
  readonly #dirty = new Set<string>();
  readonly #toSpawn = new Set<string>();

  constructor(around: Surroundings, rules: Rules) {
    this.#around = around;
    const { random, invariants } = around;
    this.fleet = new Fleet(
      {
        random,
        isHealthy: () => true,
        changed: (packId, state, before) => {
          this.#dirty.add(packId);
          invariants.changed(packId, state, before, around.nowMs());
        },
      },
      rules.next,
    );
    for (const { packId, policy, dependencies } of around.services) {
      this.#instances.set(packId, { mark: "", leader: null, isProbing: false });
      this.fleet.put(packId, policy, dependencies);
    }
    this.do(() => this.#adopt(rules));
  }

  /** Something happens inside the daemon, which it may not survive. */
  do(work: () => void): void {
    if (this.isDead) return;
    try {
      work();
      this.#spawnAll();
    } catch (thrown) {
      if (!(thrown instanceof Death)) throw thrown;
      this.isDead = true;
    }
  }

  tell(packId: string, event: ServiceEvent): void {
    this.do(() => this.#handle(packId, event));
  }

  stopInOrder(packIds: readonly string[]): void {
    this.do(() => this.#apply(this.fleet.stopInOrder(packIds, this.#around.nowMs())));
  }

  due(): void {
    this.do(() => this.#apply(this.fleet.due(this.#around.nowMs())));
  }

  isProbing(packId: string): boolean {
    return this.#instance(packId).isProbing;
  }

  leaderOf(packId: string): Process | null {
    return this.#instance(packId).leader;
  }

  probed(packId: string, healthy: boolean): void {
    this.#instance(packId).isProbing = false;
    this.tell(packId, { type: "probed", healthy, output: "" });
  }

  /** Writes down what has changed, which the real one does a moment later. */
  record(packIds: Iterable<string> = this.#dirty): void {
    const { disk, boot } = this.#around;
    for (const packId of packIds) {
      const instance = this.#instance(packId);
      const state = this.fleet.stateOf(packId) as ServiceState;
      disk.records.set(packId, { mark: instance.mark, leader: instance.leader, boot: boot(), state });
      this.#dirty.delete(packId);
    }
  }

  /** Looks at what has become of its processes: exits, and trees that are to end. */
  look(): void {
    const { machine } = this.#around;
    for (const [packId, instance] of this.#instances) {
      const phase = this.fleet.stateOf(packId)?.phase;
      const tree = machine.of(packId);
      if (instance.leader && !instance.leader.isAlive) {
        const { rc, signal } = instance.leader.exit;
        instance.leader = null;
        this.tell(packId, { type: "exited", rc, signal, isGone: tree.length === 0 });
      } else if (phase === "stopping" || phase === "killing") {
        if (tree.length === 0) this.tell(packId, { type: "gone" });
        else if (phase === "killing") for (const process of tree) machine.signal(process, "SIGKILL");
      }
    }
  }

  #instance(packId: string): Instance {
    return this.#instances.get(packId) as Instance;
  }

  #handle(packId: string, event: ServiceEvent): void {
    this.#apply(this.fleet.handle(packId, event, this.#around.nowMs()));
  }

  #apply(effects: readonly Effect[]): void {
    const { machine, invariants, nowMs } = this.#around;
    for (const { packId, action } of effects) {
      const instance = this.#instance(packId);
      if (action === "spawn") this.#toSpawn.add(packId);
      else if (action === "probe") {
        if (instance.isProbing) throw new Violation(`two checks of "${packId}" run at once`);
        instance.isProbing = true;
      } else if (action === "cancel-probe") instance.isProbing = false;
      else if (action === "signal") for (const process of machine.of(packId)) machine.signal(process, "stop");
      else {
        invariants.killed(packId, nowMs());
        for (const process of machine.of(packId)) machine.signal(process, "SIGKILL");
      }
    }
  }

  #mayDie(): void {
    if (this.#around.random() < this.deathRate) throw new Death();
  }

  #spawnAll(): void {
    for (const packId of this.#toSpawn) {
      this.#toSpawn.delete(packId);
      const state = this.fleet.stateOf(packId) as ServiceState;
      if (state.phase === "starting" && this.#instance(packId).leader === null) this.#spawn(packId, state);
    }
  }

  #spawn(packId: string, state: ServiceState): void {
    const { disk, machine, invariants, random, nowMs } = this.#around;
    const instance = this.#instance(packId);
    if (disk.wanted.get(packId) !== true) return this.#handle(packId, { type: "stop" });
    if (!state.isAutomatic || instance.mark === "") instance.mark = String(random());
    this.#mayDie();
    this.record([packId]);
    this.#mayDie();
    invariants.spawned(packId, state, this.fleet.missing(packId), nowMs());
    if (random() < 0.05) return this.#handle(packId, { type: "spawn-failed", reason: "it cannot" });
    const leader = machine.start(packId, instance.mark, true, random);
    this.#mayDie();
    instance.leader = leader;
    this.#handle(packId, { type: "spawned" });
  }

  #adopt(rules: Rules): void {
    const { services, disk, machine, random, nowMs, boot, invariants } = this.#around;
    for (const { packId, policy, dependencies } of services) {
      const record = disk.records.get(packId);
      const isWanted = disk.wanted.get(packId) === true;
      if (!record) {
        if (isWanted) this.#handle(packId, { type: "start" });
        continue;
      }
      const instance = this.#instance(packId);
      const isSameBoot = record.boot === boot();
      const tree = machine.of(packId).filter(({ mark }) => mark === record.mark);
      const unrecorded = record.leader === null ? (tree.find(({ isLeader }) => isLeader) ?? null) : null;
      const leader = record.leader?.isAlive ? record.leader : unrecorded;
      Object.assign(instance, { mark: record.mark, leader });
      const { state, actions } = rules.adopt(
        record.state,
        {
          isWanted,
          isSameBoot,
          isSameGeneration: true,
          hasLeader: leader !== null,
          hasOthers: tree.length > 0,
          wasSpawned: record.leader !== null,
        },
        policy,
        nowMs(),
        random(),
      );
      this.fleet.put(packId, policy, dependencies, state);
      this.#dirty.add(packId);
      invariants.adopted(packId, state, record.state, { isWanted, isSameBoot }, nowMs());
      this.#apply(actions.map((action) => ({ packId, action })));
    }
    this.#apply(this.fleet.startWaiting(nowMs()));
  }

  /** Everything that runs is somebody's whom it watches, and everything it takes for running or ending is watched. */
  check(): void {
    const { machine, disk } = this.#around;
    for (const { packId } of machine.all()) {
      const state = this.fleet.stateOf(packId) as ServiceState;
      if (!hasProcess(state))
        throw new Violation(`forgotten: something of "${packId}" runs while it is ${state.phase}`);
    }
    for (const packId of this.#instances.keys()) {
      const { phase, dueMs } = this.fleet.stateOf(packId) as ServiceState;
      if (dueMs === null && (phase === "stopping" || phase === "killing" || phase === "backoff"))
        throw new Violation(`stuck: "${packId}" is ${phase} without an end`);
      if (phase === "stopped" && machine.of(packId).length > 0 && disk.wanted.get(packId) === false)
        throw new Violation(`"${packId}" runs though it is stopped`);
    }
  }
}
