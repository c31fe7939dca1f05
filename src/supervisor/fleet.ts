import { nextService, type ServiceAction, type ServiceEvent } from "./service-machine.ts";
import { type ServicePolicy } from "./service-spec.ts";
import { hasProcess, initialState, isUp, nextDueMs, type ServiceState } from "./service-state.ts";

/** What is to be done, in this order. */
export type Effect = { packId: string; action: ServiceAction };

type Member = { policy: ServicePolicy; dependencies: readonly string[]; state: ServiceState };

/** What a decision reads besides the states. A parameter, so that a simulator can set it. */
export type FleetWorld = {
  /** From 0 up to 1. */
  random: () => number;
  /** Whether a pack that is not of this fleet is healthy. */
  isHealthy: (packId: string) => boolean;
  /** Told each change of a state. */
  changed: (packId: string, state: ServiceState, before: ServiceState) => void;
};

/**
 * All services with what they have to do with each other: who is started when what it depends on is healthy, and who is
 * stopped after what depends on it. No clock and no process: events and times come in, what is to be done comes out.
 */
export class Fleet {
  readonly #members = new Map<string, Member>();
  /** Who depends on a pack, without a pack between. */
  readonly #dependents = new Map<string, Set<string>>();
  /** Asked to stop, and held until what depends on them is gone. */
  readonly #held = new Set<string>();
  readonly #world: FleetWorld;
  readonly #next: typeof nextService;

  /** @param next decides what a service does next; a simulator puts mistakes into it */
  constructor(world: FleetWorld, next = nextService) {
    this.#world = world;
    this.#next = next;
  }

  /** Adds a service, or gives one a new policy; its state stays where it is known. */
  put(packId: string, policy: ServicePolicy, dependencies: readonly string[], state?: ServiceState): void {
    const known = this.#members.get(packId);
    for (const id of known?.dependencies ?? []) this.#dependents.get(id)?.delete(packId);
    for (const id of dependencies) this.#dependents.set(id, this.#directDependents(id).add(packId));
    this.#members.set(packId, { policy, dependencies, state: state ?? known?.state ?? initialState });
  }

  /** Forgets a service. Nothing of it may be left. */
  remove(packId: string): void {
    for (const id of this.#members.get(packId)?.dependencies ?? []) this.#dependents.get(id)?.delete(packId);
    this.#members.delete(packId);
    this.#held.delete(packId);
  }

  stateOf(packId: string): ServiceState | undefined {
    return this.#members.get(packId)?.state;
  }

  packIds(): string[] {
    return [...this.#members.keys()];
  }

  /**
   * Makes the states anew, one beside the other: each has come from several before it, which have left holes between them.
   */
  gather(): void {
    for (const member of this.#members.values()) member.state = { ...member.state };
  }

  /** What a waiting service waits for. */
  missing(packId: string): string[] {
    const { dependencies = [] } = this.#members.get(packId) ?? {};
    return dependencies.filter((id) => !this.#isHealthy(id));
  }

  /** The members that depend on a pack, at whatever distance. */
  dependentsOf(packId: string): string[] {
    return closure(packId, (id) => this.#directDependents(id));
  }

  /** When the next thing is due in any of them, Infinity for never. */
  nextDueMs(): number {
    let least = Infinity;
    for (const { state } of this.#members.values()) least = Math.min(least, nextDueMs(state));
    return least;
  }

  /** Tells those for which a moment has come. */
  due(nowMs: number): Effect[] {
    const effects: Effect[] = [];
    for (const [packId, member] of this.#members)
      if (nextDueMs(member.state) <= nowMs) effects.push(...this.handle(packId, { type: "due" }, nowMs));
    return effects;
  }

  /** Something has happened to one service. */
  handle(packId: string, event: ServiceEvent, nowMs: number): Effect[] {
    const effects: Effect[] = [];
    // The last word of the operator counts.
    const isOrder = event.type === "start" || event.type === "stop" || event.type === "restart";
    const wasHeld = isOrder && this.#held.delete(packId);
    this.#step(packId, event, nowMs, effects);
    if (wasHeld) this.#startDependents(packId, nowMs, effects);
    return effects;
  }

  /** Stops services, each one after those of them that depend on it. */
  stopInOrder(packIds: readonly string[], nowMs: number): Effect[] {
    for (const packId of packIds) if (this.#members.has(packId)) this.#held.add(packId);
    const effects: Effect[] = [];
    this.#letGo([...this.#held], nowMs, effects);
    return effects;
  }

  /** Starts those that wait for nothing any more: something outside of this fleet has become healthy. */
  startWaiting(nowMs: number): Effect[] {
    const effects: Effect[] = [];
    for (const [packId, { state }] of this.#members)
      if (state.phase === "waiting" && this.missing(packId).length === 0)
        this.#step(packId, { type: "dependencies" }, nowMs, effects);
    return effects;
  }

  #step(packId: string, event: ServiceEvent, nowMs: number, effects: Effect[]): void {
    const member = this.#members.get(packId);
    if (!member) return;
    const before = member.state;
    const { state, actions } = this.#next(before, event, member.policy, nowMs, this.#world.random());
    if (state === before) return;
    member.state = state;
    this.#world.changed(packId, state, before);
    for (const action of actions) effects.push({ packId, action });
    if (state.phase === before.phase) return;
    if (state.phase === "waiting" && this.missing(packId).length === 0)
      this.#step(packId, { type: "dependencies" }, nowMs, effects);
    if (isUp(state) && !isUp(before)) this.#startDependents(packId, nowMs, effects);
    if (this.#held.size > 0 && !this.#isYetToStop(packId))
      this.#letGo(this.#dependenciesOf(packId), nowMs, effects);
  }

  #startDependents(packId: string, nowMs: number, effects: Effect[]): void {
    for (const id of this.#directDependents(packId))
      if (this.stateOf(id)?.phase === "waiting" && this.missing(id).length === 0)
        this.#step(id, { type: "dependencies" }, nowMs, effects);
  }

  /** Delivers the stops of those that nobody who is also to stop still depends on. */
  #letGo(packIds: readonly string[], nowMs: number, effects: Effect[]): void {
    for (const packId of packIds) {
      if (!this.#held.has(packId) || this.dependentsOf(packId).some((id) => this.#isYetToStop(id))) continue;
      this.#held.delete(packId);
      this.#step(packId, { type: "stop" }, nowMs, effects);
      // Where it was at rest anyway, nothing has changed that would let the next one go.
      if (!this.#isYetToStop(packId)) this.#letGo(this.#dependenciesOf(packId), nowMs, effects);
    }
  }

  #isYetToStop(packId: string): boolean {
    const { state = initialState } = this.#members.get(packId) ?? {};
    return this.#held.has(packId) || (hasProcess(state) && state.next !== "judge");
  }

  #directDependents(packId: string): Set<string> {
    return this.#dependents.get(packId) ?? new Set();
  }

  #dependenciesOf(packId: string): string[] {
    return closure(packId, (id) => this.#members.get(id)?.dependencies ?? []);
  }

  #isHealthy(packId: string): boolean {
    const member = this.#members.get(packId);
    // What is about to stop is nothing to start upon.
    return member ? isUp(member.state) && !this.#held.has(packId) : this.#world.isHealthy(packId);
  }
}

/** All that is reached from a pack, itself left out. */
function closure(packId: string, next: (packId: string) => Iterable<string>): string[] {
  const found = new Set([packId]);
  // A set's iteration meets what is added on the way.
  for (const id of found) for (const other of next(id)) found.add(other);
  found.delete(packId);
  return [...found];
}
