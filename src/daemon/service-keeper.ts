import { AuroraError, toAuroraError } from "../errors.ts";
import { observeService } from "../lifecycle/observe-service.ts";
import { type HostedService, type ServiceHost } from "../lifecycle/service-host.ts";
import { timestamp, type Workspace } from "../lifecycle/workspace.ts";
import { isAboveCommand } from "../process/confinement/process-names.ts";
import { insideOf } from "../process/inside.ts";
import { identify, send } from "../process/tree.ts";
import { appendEvent } from "../registry/events.ts";
import { noteService, serviceOf, type ServiceRow, services } from "../registry/services.ts";
import { RecordFile } from "../supervisor/record-file.ts";
import { findTree, type ServiceMark } from "../supervisor/service-tree.ts";
import { type ServiceView } from "../supervisor/service-view.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import { bootId } from "../system/boot.ts";
import { collectNowAndThen } from "../system/collect-now-and-then.ts";
import { processIds, readProcess } from "../system/process-table.ts";
import { isInTransaction } from "./in-transaction.ts";
import { serviceEvents } from "./service-events.ts";
import { ServiceProcesses } from "./service-processes.ts";
import { allServiceSpecs, serviceSpecOf } from "./service-spec.ts";

/** Changes are noted in the registry together, so late after the first of them, in milliseconds. */
const NOTE_MS = 20;
/** What services say of themselves is noted no more often, in milliseconds: each note waits for the disk. */
const TEXT_MS = 1000;
/** A simple service that fails within this after its start has failed to start, in milliseconds. */
const SETTLE_MS = 100;
/** While it has no health check and is at work, as one is that has not yet got to its first line, it gets up to so long. */
const LONGEST_SETTLE_MS = 2000;

/**
 * Stands between the registry, which says what is wanted, and the supervisor, which runs it. How services are is noted in
 * the registry, for all that look there.
 */
export class ServiceKeeper implements ServiceHost {
  readonly #workspace: Workspace;
  readonly #records: RecordFile;
  readonly #supervisor: Supervisor;
  readonly #processes: ServiceProcesses;
  readonly #changed = new Map<string, ServiceView>();
  /** Noted before their launcher had come to the command, or without one. */
  readonly #outside = new Set<string>();
  readonly #onEvent: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #textTimer: ReturnType<typeof setTimeout> | undefined;
  /** When a text was noted last, by a clock that only goes forward. */
  #textMs = -TEXT_MS;
  #isClosing = false;

  /** @param onEvent called when the event log has grown */
  constructor(workspace: Workspace, onEvent: () => void) {
    this.#workspace = workspace;
    this.#onEvent = onEvent;
    const { run } = workspace.paths;
    this.#processes = new ServiceProcesses(workspace, (packId) => this.#noteInside(packId));
    this.#records = new RecordFile(`${run}/services`);
    this.#supervisor = new Supervisor(
      {
        isWanted: (packId, generation) => this.#isWanted(packId, generation),
        isHealthy: (packId) => this.#isHealthy(packId),
        notifyDirectory: run,
        warn: workspace.warn,
        spawn: (options, spec) => this.#processes.spawn(options, spec),
        ended: (packId, pid) => this.#processes.ended(packId, pid),
        groupOf: (packId) => this.#processes.groupOf(packId),
      },
      this.#records,
    );
    this.#supervisor.subscribe((view) => this.#note(view));
  }

  /** How many services run or are to run. */
  get supervised(): number {
    return this.#supervisor.views().filter(({ state }) => !isAtRest(state)).length;
  }

  /** Takes over what an earlier daemon left, and starts what is wanted and is not there. */
  async adopt(): Promise<void> {
    await this.#supervisor.adopt(allServiceSpecs(this.#workspace));
    for (const [index, { packId, generation, pid }] of this.#supervisor.views().entries()) {
      if (pid !== null) this.#processes.adopt(packId, generation, pid);
      collectNowAndThen(index);
    }
    this.#noteNow();
  }

  /** Starts services that are wanted and that nobody has told this daemon of. */
  async startMissing(): Promise<void> {
    for (const row of services(this.#workspace.registry)) {
      // Most are known: then their manifests need not be read again.
      if (this.#supervisor.view(row.pack_id) || !this.#isWanted(row.pack_id, row.generation)) continue;
      const spec = serviceSpecOf(this.#workspace, row);
      if (spec) await this.#supervisor.start(spec);
    }
  }

  /**
   * Runs the service that the registry says is wanted.
   *
   * @throws {AuroraError} `conflict` where it wants another generation or none; `not-found`; `denied` where it could not be
   *   confined: it is tried on
   */
  async start(packId: string, generation: number): Promise<HostedService> {
    const row = serviceOf(this.#workspace.registry, packId);
    if (!row || row.wanted !== "running" || row.generation !== generation)
      throw new AuroraError(
        "conflict",
        `cannot start "${packId}": generation ${generation} of it is not wanted`,
      );
    const spec = serviceSpecOf(this.#workspace, row);
    if (!spec) throw new AuroraError("not-found", `cannot start "${packId}": it has no service to supervise`);
    const first = await this.#supervisor.start(spec);
    const longestMs = spec.probe === null ? LONGEST_SETTLE_MS : SETTLE_MS;
    const view = spec.type === "simple" ? await this.#settled(packId, first, longestMs) : first;
    this.#noteNow();
    const denial = view.state === "running" ? undefined : this.#processes.denialOf(packId);
    if (denial !== undefined) throw denial;
    return hostedOf(view);
  }

  /** @throws {AuroraError} `conflict` where another generation runs by now, or none */
  async vouch(packId: string, generation: number): Promise<HostedService> {
    if (this.#supervisor.view(packId)?.generation !== generation)
      throw new AuroraError(
        "conflict",
        `cannot take "${packId}" for healthy: generation ${generation} does not run`,
      );
    const view = await this.#supervisor.vouch(packId);
    this.#noteNow();
    return hostedOf(view);
  }

  async stop(packId: string): Promise<void> {
    if (!this.#supervisor.view(packId)) return;
    await this.#supervisor.stop(packId);
    await this.#processes.forget(packId);
    this.#noteNow();
  }

  /** Stops what nobody wants any more: whoever has written that down may have died before it could ask. */
  async stopUnwanted(): Promise<void> {
    const unwanted = this.#supervisor.views().filter(({ packId, state, generation }) => {
      const row = serviceOf(this.#workspace.registry, packId);
      const isMeant = row === undefined || row.generation === generation;
      return !isAtRest(state) && state !== "stopping" && isMeant && row?.wanted !== "running";
    });
    await Promise.all(unwanted.map(({ packId }) => this.stop(packId)));
  }

  /** How a service is; undefined for one that is not known here. */
  view(packId: string): ServiceView | undefined {
    return this.#supervisor.view(packId);
  }

  /** Makes what is kept of the services small, before memory is given back. */
  gather(): void {
    this.#supervisor.gather();
  }

  /** A pack that is not supervised has changed: what waits for it looks again. */
  dependencyChanged(packId: string): void {
    this.#supervisor.dependencyChanged(packId);
  }

  /** Sends a signal to the first process of each service. */
  signalAll(signal: NodeJS.Signals): void {
    for (const { pid } of this.#supervisor.views()) {
      const leader = pid === null ? undefined : identify(pid);
      if (leader) send(leader, signal);
    }
  }

  /** Stops all, dependents first. They stay wanted, so that the next daemon starts them again. */
  async stopAll(deadlineMs: number): Promise<void> {
    await this.#supervisor.stopAll(deadlineMs);
    this.#noteNow();
    const left = this.#supervisor.views().filter(({ state }) => !isAtRest(state));
    if (left.length > 0)
      throw new AuroraError("failed", `cannot stop ${left.map(({ packId }) => `"${packId}"`).join(", ")}`);
  }

  /** Lets go of the services, which run on. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#supervisor[Symbol.asyncDispose]();
    await this.#processes[Symbol.asyncDispose]();
    this.#isClosing = true;
    this.#noteNow();
    this.#records[Symbol.dispose]();
  }

  /**
   * Whether a service is to run, as the registry has it at this moment. What a transaction has stopped it starts again
   * itself, when it comes to that.
   */
  #isWanted(packId: string, generation: number): boolean {
    const { registry } = this.#workspace;
    const row = serviceOf(registry, packId);
    if (!row || row.wanted !== "running" || row.generation !== generation) return false;
    const isDown = row.state === "stopped" || row.state === "stopping";
    return !isDown || !isInTransaction(this.#workspace, packId);
  }

  /** For a pack that is not supervised: it runs, and nobody has found it unhealthy. */
  #isHealthy(packId: string): boolean {
    const row = serviceOf(this.#workspace.registry, packId);
    if (!row) return false;
    return observeService(row, bootId()).state === "running" && row.health !== "unhealthy";
  }

  /**
   * Waits until it has run for a moment, whoever started it: this call, or the daemon before it was asked. A service without a
   * health check that ends at once was never up.
   */
  async #settled(packId: string, first: ServiceView, longestMs: number): Promise<ServiceView> {
    if (first.state !== "running") return first;
    const { promise, resolve } = Promise.withResolvers<ServiceView>();
    const end = this.#supervisor.subscribe((view) => {
      if (view.packId === packId && (view.pid !== first.pid || isAtRest(view.state))) resolve(view);
    });
    try {
      let ageMs = Math.max(0, this.#workspace.now().getTime() - first.since.getTime());
      for (let restMs = Math.max(0, SETTLE_MS - ageMs); ageMs < longestMs; restMs = SETTLE_MS) {
        const changed = await Promise.race([promise, Bun.sleep(restMs)]);
        if (changed) return asEnded(first, changed);
        if (!isAtWork({ serviceId: first.serviceId, leader: first.pid })) break;
        ageMs += restMs;
      }
      return this.#supervisor.view(packId) ?? first;
    } finally {
      end();
    }
  }

  #note(view: ServiceView): void {
    this.#changed.set(view.packId, view);
    this.#timer ??= setTimeout(() => this.#noteNow(), NOTE_MS);
  }

  /** What is inside of a pid namespace spares whoever looks at the service most of the look. */
  #noteInside(packId: string): void {
    if (!this.#outside.delete(packId)) return;
    const view = this.#supervisor.view(packId);
    if (view?.pid != null && insideOf(view.pid)) this.#note(view);
  }

  /** Writes what has changed into the registry, with the events that it amounts to. */
  #noteNow(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#textTimer);
    this.#timer = undefined;
    const changed = [...this.#changed.values()];
    this.#changed.clear();
    const views = changed.filter((view) => !this.#isPutOff(view));
    if (views.length === 0) return;
    const { registry } = this.#workspace;
    const at = timestamp(this.#workspace);
    try {
      registry.write(() => {
        for (const view of views) this.#noteOne(view, at);
      });
    } catch (thrown) {
      // The services go on. What is known by now is written with the next change, of whatever service.
      for (const view of views) if (!this.#changed.has(view.packId)) this.#changed.set(view.packId, view);
      this.#workspace.warn(`cannot note how the services are: ${toAuroraError(thrown).message}`);
      return;
    }
    this.#onEvent();
  }

  /** What has only said something new is noted later, with the last that it says by then. */
  #isPutOff(view: ServiceView): boolean {
    const before = this.#isClosing ? undefined : serviceOf(this.#workspace.registry, view.packId);
    if (!before || before.status_text === view.statusText || !isAsNoted(before, view)) return false;
    const nowMs = performance.now();
    const leftMs = this.#textMs + TEXT_MS - nowMs;
    if (leftMs <= 0) {
      this.#textMs = nowMs;
      return false;
    }
    this.#changed.set(view.packId, view);
    clearTimeout(this.#textTimer);
    this.#textTimer = setTimeout(() => this.#noteNow(), leftMs);
    return true;
  }

  #noteOne(view: ServiceView, at: string): void {
    const { registry } = this.#workspace;
    const before = serviceOf(registry, view.packId);
    // Another generation is wanted by now: this one is the past.
    if (!before || before.generation !== view.generation) return;
    const leader = view.pid === null ? undefined : identify(view.pid);
    const inside = leader && insideOf(leader.pid);
    if (leader && !inside) this.#outside.add(view.packId);
    noteService(
      registry,
      {
        pack_id: view.packId,
        generation: view.generation,
        state: view.state,
        since: view.since.toISOString(),
        service_id: view.serviceId,
        session: view.pid,
        boot_id: bootId(),
        processes: JSON.stringify(leader ? [{ ...leader, inside }] : []),
        rc: view.exitCode,
        restarts: view.restarts,
        health: view.health,
        reason: reasonOf(view),
        last_end: view.lastEnd,
        next_start: view.nextStartAt?.toISOString() ?? null,
        status_text: view.statusText,
      },
      at,
    );
    for (const { kind, detail } of serviceEvents(before, view))
      appendEvent(registry, { at, packId: view.packId, kind, detail });
  }
}

/** Whether all that was noted of a service still is so, but for what it says of itself. */
function isAsNoted(row: ServiceRow, view: ServiceView): boolean {
  const { generation, state, health, pid, restarts } = view;
  const isSameRun = row.generation === generation && row.session === pid && row.restarts === restarts;
  return isSameRun && row.state === state && row.health === health && row.reason === reasonOf(view);
}

function reasonOf({ reason, failedCheck }: ServiceView): string | null {
  return reason ?? failedCheck;
}

function isAtRest(state: ServiceView["state"]): boolean {
  return state === "stopped" || state === "exited" || state === "failed";
}

/** What runs again by now had ended all the same: that start was none. */
function asEnded({ pid }: ServiceView, now: ServiceView): ServiceView {
  const isAnotherRun = now.pid !== null && now.pid !== pid && now.lastEnd !== null;
  return isAnotherRun ? { ...now, state: "backoff", reason: now.lastEnd } : now;
}

/** What has not come to rest, as /proc/PID/stat has it: it runs or wants to, waits for a disk, or has ended. */
const AT_WORK = "RDZX";

/** Whether it is at work; or it has not begun or has ended, and only what confines it is there. */
function isAtWork(mark: ServiceMark): boolean {
  if (processIds().length === 0) return false; // Without a /proc nothing tells.
  const commands = findTree(mark).filter(({ command }) => !isAboveCommand(command));
  return (
    commands.length === 0 || commands.some(({ pid }) => AT_WORK.includes(readProcess(pid)?.state ?? "X"))
  );
}

function hostedOf({ state, health, pid, exitCode, reason }: ServiceView): HostedService {
  return { state, health, pid, exit_code: exitCode, reason };
}
