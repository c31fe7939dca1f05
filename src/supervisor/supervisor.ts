import { AuroraError, systemReason, toAuroraError } from "../errors.ts";
import { send } from "../process/tree.ts";
import { bootId, bootTime } from "../system/boot.ts";
import { becomeSubreaper } from "../system/child-processes.ts";
import { collectNowAndThen } from "../system/collect-now-and-then.ts";
import { adoptService } from "./adoption.ts";
import { DueTimer } from "./due-timer.ts";
import { type Effect, Fleet } from "./fleet.ts";
import { LogKeeper } from "./log-keeper.ts";
import { type NotifyMessage } from "./notify-message.ts";
import { NotifySockets } from "./notify-sockets.ts";
import { OomWatch } from "./oom-watch.ts";
import { type InstanceHost, maySpeakFor, ServiceInstance } from "./service-instance.ts";
import { type ServiceEvent } from "./service-machine.ts";
import { isLeaderAlive, type ServiceRecord, type ServiceStore } from "./service-record.ts";
import { KILL_TIMEOUT_MS, policyOf, type ServiceSpec, timeToRestartMs, unknownSpec } from "./service-spec.ts";
import {
  hasProcess,
  initialState,
  isAtRest,
  isStartDecided,
  isUp,
  type ServiceState,
} from "./service-state.ts";
import { findMarked, firstOf } from "./service-tree.ts";
import { type ServiceView, shownState, viewOf } from "./service-view.ts";
import { type SupervisorWorld } from "./supervisor-world.ts";
import { Waiters } from "./waiters.ts";

/** Before so many starts at once the heap is made small, so that what stays of them lies close together. */
const MANY = 10;

/**
 * Keeps services running: feeds the state machine with what happens, and does what it says. One timer for all of them, no
 * thread, nothing polled while all is well.
 */
export class Supervisor {
  readonly #world: SupervisorWorld;
  readonly #store: ServiceStore;
  readonly #fleet: Fleet;
  readonly #host: InstanceHost;
  readonly #instances = new Map<string, ServiceInstance>();
  readonly #listeners = new Set<(view: ServiceView) => void>();
  readonly #waiters = new Waiters((packId) => this.#fleet.stateOf(packId));
  /** Changed since they were last recorded and told. */
  readonly #dirty = new Set<string>();
  readonly #toSpawn = new Set<string>();
  /** What to add to the monotonic clock to get milliseconds since boot, which the next daemon counts by too. */
  readonly #offsetMs = bootTime().uptimeMs - performance.now();
  readonly #notifySockets: NotifySockets;
  readonly #timer = new DueTimer(
    () => this.#nowMs(),
    () => this.#apply(this.#fleet.due(this.#nowMs())),
  );
  #isTurnQueued = false;
  #isPublishQueued = false;
  #isDisposed = false;

  constructor(world: SupervisorWorld, store: ServiceStore) {
    this.#world = world;
    this.#store = store;
    this.#notifySockets = new NotifySockets(world.notifyDirectory, (packId, pid, message) =>
      this.#notified(packId, pid, message),
    );
    this.#fleet = new Fleet({
      random: Math.random,
      isHealthy: world.isHealthy,
      changed: (packId, state, before) => this.#changed(packId, state, before),
    });
    this.#host = {
      phaseOf: (packId) => (this.#isDisposed ? undefined : this.#fleet.stateOf(packId)?.phase),
      tell: (packId, event) => this.#handle(packId, event),
      world,
      hear: (packId) => this.#notifySockets.drain(packId),
      oom: new OomWatch(),
      logs: new LogKeeper({
        treeOf: (packId) => this.#instances.get(packId)?.tree() ?? [],
        warn: world.warn,
      }),
      ownLeaders: () => this.#ownLeaders(),
      childExited: (child) => {
        for (const instance of this.#instances.values()) instance.childExited(child);
      },
      isSubreaper: becomeSubreaper(),
      bootId: bootId(),
    };
  }

  /**
   * Takes over what earlier daemons have started, before anything else is done: what runs is watched on, what is wanted and
   * does not run starts, what runs and is not wanted stops.
   *
   * @param specs all services that are known, wanted or not
   */
  async adopt(specs: readonly ServiceSpec[]): Promise<void> {
    this.#notifySockets.sweep();
    const records = new Map(this.#store.load().map((record) => [record.packId, record]));
    // What stays of all of them is made in one go, so that it does not lie scattered among what their starts leave behind.
    for (const spec of specs) this.#put(spec);
    const isScanNeeded = [...records.values()].some((record) => !isLeaderAlive(record));
    const marked = isScanNeeded ? findMarked() : new Map<string, number[]>();
    for (const spec of specs) {
      const record = records.get(spec.packId);
      if (record) this.#adoptOne(spec, record, marked.get(record.serviceId) ?? []);
      else if (this.#world.isWanted(spec.packId, spec.generation))
        this.#handle(spec.packId, { type: "start" });
    }
    const known = new Set(specs.map(({ packId }) => packId));
    for (const record of records.values())
      if (!known.has(record.packId)) this.#endUnknown(record, marked.get(record.serviceId) ?? []);
    this.#apply(this.#fleet.startWaiting(this.#nowMs()));
    this.#queueTurn();
    await this.#waiters.turn();
  }

  /**
   * Starts a service; resolves when it is ready, has failed once, whether it is tried again or not, or has waited for its
   * dependencies as long as a start may take.
   */
  async start(spec: ServiceSpec): Promise<ServiceView> {
    const { packId } = spec;
    const before = this.#instances.get(packId)?.spec.generation;
    const state = this.#fleet.stateOf(packId) ?? initialState;
    const isAnother = hasProcess(state) && before !== undefined && before !== spec.generation;
    if (isAnother) {
      this.#put(spec);
      this.#handle(packId, { type: "restart" });
    } else this.#begin(spec);
    const { failures } = isAnother ? state : (this.#fleet.stateOf(packId) ?? initialState);
    await this.#until(packId, (now) => isStartDecided(now, failures), timeToRestartMs(spec));
    return this.#viewOf(packId);
  }

  /**
   * A service that is being checked was found healthy by somebody else, who has looked as it is to be looked at. Resolves when
   * that is told.
   */
  async vouch(packId: string): Promise<ServiceView> {
    this.#handle(packId, { type: "vouched" });
    await this.#waiters.turn();
    return this.#viewOf(packId);
  }

  /**
   * Stops a service: the stop signal to all of its processes, SIGKILL when its time is over.
   *
   * @throws {AuroraError} `not-found`; `failed` where something survives SIGKILL. It is tried on all the same
   */
  async stop(packId: string): Promise<ServiceView> {
    const instance = this.#known(packId);
    this.#handle(packId, { type: "stop" });
    await this.#until(packId, isAtRest, instance.spec.stopTimeoutSeconds * 1000 + KILL_TIMEOUT_MS);
    if (this.#fleet.stateOf(packId)?.phase !== "killing") return this.#viewOf(packId);
    const count = instance.tree().length;
    throw new AuroraError("failed", `cannot stop "${packId}": ${count} of its processes survive SIGKILL`);
  }

  /** Stops all services, each one after those that depend on it. What is left at the deadline gets SIGKILL. */
  async stopAll(deadlineMs: number): Promise<void> {
    const packIds = this.#fleet.packIds();
    this.#apply(this.#fleet.stopInOrder(packIds, this.#nowMs()));
    const areAllAtRest = async (timeoutMs: number) => {
      await Promise.all(packIds.map((packId) => this.#until(packId, isAtRest, timeoutMs)));
      return packIds.every((packId) => isAtRest(this.#fleet.stateOf(packId) ?? initialState));
    };
    if (await areAllAtRest(deadlineMs)) return;
    for (const packId of packIds) {
      this.#handle(packId, { type: "stop" });
      for (const identity of this.#known(packId).tree()) send(identity, "SIGKILL");
    }
    await areAllAtRest(KILL_TIMEOUT_MS);
  }

  /** Forgets a service that is at rest, with its record. */
  forget(packId: string): void {
    if (!isAtRest(this.#fleet.stateOf(packId) ?? initialState))
      throw new AuroraError("conflict", `cannot forget "${packId}": it is not stopped`);
    this.#fleet.remove(packId);
    this.#instances.delete(packId);
    this.#notifySockets.remove(packId);
    this.#dirty.delete(packId);
    this.#store.remove(packId);
  }

  /** Makes what is kept of the services small, before memory is given back. */
  gather(): void {
    this.#fleet.gather();
    this.#host.logs.gather();
    for (const instance of this.#instances.values()) instance.gather();
  }

  /** The health of a pack that is not supervised here has changed. */
  dependencyChanged(packId: string): void {
    this.#tellWaiting(packId);
    this.#apply(this.#fleet.startWaiting(this.#nowMs()));
  }

  view(packId: string): ServiceView | undefined {
    return this.#instances.has(packId) ? this.#viewOf(packId) : undefined;
  }

  views(): ServiceView[] {
    return [...this.#instances.keys()].map((packId) => this.#viewOf(packId));
  }

  /**
   * Tells each change of a service, once it is recorded.
   *
   * @returns ends that
   */
  subscribe(listener: (view: ServiceView) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Lets go of all services, which run on for the next daemon to take over. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#timer.arm(Infinity);
    this.#notifySockets[Symbol.dispose]();
    for (const instance of this.#instances.values()) instance.release();
    this.#record([...this.#dirty]);
    this.#waiters.releaseAll();
    await this.#host.logs[Symbol.asyncDispose]();
  }

  #ownLeaders(): Set<number> {
    const found = new Set<number>();
    for (const { ownLeader } of this.#instances.values()) if (ownLeader !== null) found.add(ownLeader);
    return found;
  }

  #nowMs(): number {
    return performance.now() + this.#offsetMs;
  }

  #begin(spec: ServiceSpec): void {
    this.#put(spec);
    this.#handle(spec.packId, { type: "start" });
  }

  #put(spec: ServiceSpec): ServiceInstance {
    this.#fleet.put(spec.packId, policyOf(spec), spec.dependencies);
    let instance = this.#instances.get(spec.packId);
    if (instance) instance.spec = spec;
    else this.#instances.set(spec.packId, (instance = new ServiceInstance(spec, this.#host)));
    return instance;
  }

  #known(packId: string): ServiceInstance {
    const instance = this.#instances.get(packId);
    if (instance) return instance;
    throw new AuroraError("not-found", `cannot find "${packId}": it is not a supervised service`);
  }

  #handle(packId: string, event: ServiceEvent): void {
    if (this.#isDisposed) return;
    this.#apply(this.#fleet.handle(packId, event, this.#nowMs()));
  }

  #changed(packId: string, state: ServiceState, before: ServiceState): void {
    this.#dirty.add(packId);
    if (isUp(state) !== isUp(before)) this.#tellWaiting(packId);
    const instance = this.#instances.get(packId);
    if (isAtRest(state)) this.#host.logs.remove(packId);
    if (instance && shownState[state.phase] !== shownState[before.phase]) instance.sinceMs = Date.now();
  }

  /** Those who wait for a pack wait for more or less now. */
  #tellWaiting(packId: string): void {
    for (const id of this.#fleet.dependentsOf(packId))
      if (this.#fleet.stateOf(id)?.phase === "waiting") this.#dirty.add(id);
  }

  #apply(effects: readonly Effect[]): void {
    for (const { packId, action } of effects) {
      const instance = this.#known(packId);
      if (action === "spawn") this.#toSpawn.add(packId);
      else if (action === "probe") void instance.probe();
      else if (action === "cancel-probe") instance.cancelProbe();
      else void instance.end();
    }
    this.#queueTurn();
  }

  /** What came together is done together: the marks of a hundred starts are recorded at once. */
  #queueTurn(): void {
    if (this.#isTurnQueued) return;
    this.#isTurnQueued = true;
    queueMicrotask(() => {
      this.#isTurnQueued = false;
      if (this.#isDisposed) return;
      this.#spawnAll();
      if (this.#isPublishQueued) return;
      this.#isPublishQueued = true;
      setImmediate(() => this.#publish());
    });
  }

  /** Records what has changed, tells it, and arms the timer. */
  #publish(): void {
    this.#isPublishQueued = false;
    if (this.#isDisposed) return;
    const changed = [...this.#dirty];
    this.#dirty.clear();
    const problem = this.#record(changed);
    if (problem !== undefined) this.#world.warn(`cannot record the services: ${problem}`);
    this.#timer.arm(this.#fleet.nextDueMs());
    for (const packId of changed)
      if (this.#instances.has(packId)) for (const listener of this.#listeners) listener(this.#viewOf(packId));
    this.#waiters.look();
  }

  #until(packId: string, isDone: (state: ServiceState) => boolean, timeoutMs: number): Promise<void> {
    this.#queueTurn();
    return this.#waiters.until(packId, isDone, timeoutMs);
  }

  #spawnAll(): void {
    const starting = [...this.#toSpawn].filter((packId) => this.#mayStart(packId));
    this.#toSpawn.clear();
    for (const packId of starting) {
      const instance = this.#known(packId);
      // An automatic start keeps the mark of the one before, so that a stop finds whatever was started under it.
      if (this.#fleet.stateOf(packId)?.isAutomatic && instance.serviceId !== "") continue;
      instance.serviceId = crypto.randomUUID();
    }
    if (starting.length >= MANY) Bun.gc(true);
    // A start is recorded before it is made: a crash in between leaves something that is found by its mark, or nothing.
    const problem = this.#record(starting);
    for (const [index, packId] of starting.entries()) {
      if (problem === undefined) this.#spawnOne(packId);
      else this.#handle(packId, { type: "spawn-failed", reason: `its start cannot be recorded: ${problem}` });
      collectNowAndThen(index);
    }
  }

  #mayStart(packId: string): boolean {
    const instance = this.#instances.get(packId);
    if (!instance || instance.leader || this.#fleet.stateOf(packId)?.phase !== "starting") return false;
    try {
      if (this.#world.isWanted(packId, instance.spec.generation)) return true;
      this.#handle(packId, { type: "stop" });
    } catch (thrown) {
      const reason = `nobody can tell whether it is wanted: ${toAuroraError(thrown).message}`;
      this.#handle(packId, { type: "spawn-failed", reason });
    }
    return false;
  }

  #spawnOne(packId: string): void {
    const instance = this.#known(packId);
    try {
      instance.start(this.#notifyAddress(instance));
    } catch (thrown) {
      const reason = thrown instanceof AuroraError ? thrown.message : systemReason(thrown);
      this.#handle(packId, { type: "spawn-failed", reason: reason ?? String(thrown) });
      return;
    }
    this.#handle(packId, { type: "spawned" });
  }

  #notifyAddress({ spec: { packId, type }, serviceId }: ServiceInstance): string | undefined {
    return type === "notify" ? this.#notifySockets.addressOf(packId, serviceId) : undefined;
  }

  #notified(packId: string, pid: number, message: NotifyMessage): void {
    const instance = this.#instances.get(packId);
    if (instance?.spec.type !== "notify") return;
    if (!maySpeakFor(instance, pid, [...this.#instances.values()])) return;
    instance.note(pid, message);
    this.#dirty.add(packId);
    this.#queueTurn();
    for (const event of message.events) this.#handle(packId, event);
  }

  #adoptOne(spec: ServiceSpec, record: ServiceRecord, marked: readonly number[]): void {
    const { packId } = spec;
    const isSameBoot = record.bootId === this.#host.bootId;
    const recorded = isLeaderAlive(record) ? record.leader : null;
    const leader = isSameBoot ? (record.leader ? recorded : firstOf(marked)) : null;
    const found = {
      isWanted: this.#world.isWanted(packId, spec.generation),
      isSameBoot,
      isSameGeneration: record.generation === spec.generation,
      hasLeader: leader !== null,
      hasOthers: isSameBoot && marked.length > 0,
      wasSpawned: record.leader !== null,
    };
    const instance = this.#put(spec);
    instance.resume(record, leader && { ...leader, bootId: record.bootId });
    if (leader) this.#notifyAddress(instance);
    const policy = policyOf(spec);
    const { state, actions } = adoptService(record.state, found, policy, this.#nowMs(), Math.random());
    this.#fleet.put(packId, policy, spec.dependencies, state);
    this.#changed(packId, state, record.state);
    this.#apply(actions.map((action) => ({ packId, action })));
  }

  /** A service of a pack that is gone: what runs of it is ended, and then it is forgotten. */
  #endUnknown(record: ServiceRecord, marked: readonly number[]): void {
    const { packId } = record;
    this.#adoptOne(unknownSpec(record), record, marked);
    this.#handle(packId, { type: "stop" });
    void this.#until(packId, isAtRest, Infinity).then(() => {
      const isStillUnknown = this.#instances.get(packId)?.spec.argv.length === 0;
      return isStillUnknown && !this.#isDisposed ? this.forget(packId) : undefined;
    });
  }

  /** Returns why it could not, where the disk is full for example. */
  #record(packIds: readonly string[]): string | undefined {
    const records = packIds.flatMap((packId): ServiceRecord[] => {
      const state = this.#fleet.stateOf(packId);
      return state ? [this.#instances.get(packId)?.toRecord(state) ?? []].flat() : [];
    });
    if (records.length === 0) return undefined;
    try {
      this.#store.save(records);
    } catch (thrown) {
      return systemReason(thrown) ?? String(thrown);
    }
    return undefined;
  }

  #viewOf(packId: string): ServiceView {
    const state = this.#fleet.stateOf(packId) ?? initialState;
    const missing = state.phase === "waiting" ? this.#fleet.missing(packId) : [];
    return viewOf(this.#known(packId), state, missing, this.#nowMs());
  }
}
