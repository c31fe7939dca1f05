import { closeSync, fchownSync, readSync } from "node:fs";

import { AuroraError, toAuroraError } from "../errors.ts";
import { hostedProcess } from "../lifecycle/hosted-service.ts";
import { type PackProcess } from "../lifecycle/pack-process.ts";
import { OwnAnswers, serveOwn } from "../lifecycle/script.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { type Confinement } from "../process/confinement/confine.ts";
import { removeForgottenGroups, startGroupOf } from "../process/confinement/control-group.ts";
import { isEnforced } from "../process/confinement/layers.ts";
import { type ConfinedChild, spawnConfined } from "../process/confinement/spawn-confined.ts";
import { type ChildOptions } from "../process/spawn-child.ts";
import { serviceOf, setServiceConfinement } from "../registry/services.ts";
import { isPackChanging } from "../registry/transactions.ts";
import { MAX_NOTIFY_DIRECTORY_BYTES } from "../supervisor/notify-socket.ts";
import { type ServiceSpec } from "../supervisor/service-spec.ts";
import { type KnownEnd } from "../supervisor/supervisor-world.ts";
import { openPipe } from "../system/pipe.ts";
import { SmallTable } from "../system/small-table.ts";
import { hostedPackOf } from "./service-spec.ts";

/** So often it is looked whether launchers have become the services, in milliseconds; they are let go then. */
const LAUNCH_LOOK_MS = 1000;
/** Whatever could keep a process from becoming the service has shown by then, in milliseconds. */
const LAUNCH_MS = 10_000;

type Launch = {
  packId: string;
  confined: ConfinedChild;
  /** A pipe that ends when the service is executed, or cannot be. */
  pipe: number;
  atMs: number;
};

/**
 * Starts the first processes of supervised services, confined by what was approved for their packs, and answers what they ask
 * Aurora for while this program lives.
 */
export class ServiceProcesses implements AsyncDisposable {
  readonly #workspace: Workspace;
  readonly #channels = new SmallTable<string, AsyncDisposable>();
  readonly #answers = new OwnAnswers((packId) => this.#ownWorkspace(packId));
  /** See `denialOf`. */
  readonly #denials = new Map<string, AuroraError>();
  /** By their process: launches whose launcher may still say what kept it from becoming the service. */
  readonly #launches = new Map<number, Launch>();
  #isLooking = false;
  /** By their process: services whose memory the launcher watches, and what it says at their end. */
  readonly #watched = new Map<number, Pick<ConfinedChild, "memory" | "dispose">>();
  /** The control groups of services that have one. */
  readonly #groups = new SmallTable<string, string>();

  readonly #onLaunched: (packId: string) => void;

  /** @param onLaunched called some time after a launcher has become the service */
  constructor(workspace: Workspace, onLaunched: (packId: string) => void) {
    this.#workspace = workspace;
    this.#onLaunched = onLaunched;
  }

  /** @throws {AuroraError} as `spawnConfined`; `denied` where it cannot be confined as it has to be */
  spawn(options: ChildOptions, spec: ServiceSpec): Bun.Subprocess {
    this.#denials.delete(spec.packId);
    try {
      return this.#spawn(options, spec);
    } catch (thrown) {
      this.#noteDenial(spec.packId, toAuroraError(thrown));
      throw thrown;
    }
  }

  /**
   * Why the last start could not be confined, or that what is stored of the pack is damaged; undefined where it was started, or the
   * start has not ended yet.
   */
  denialOf(packId: string): AuroraError | undefined {
    return this.#denials.get(packId);
  }

  #noteDenial(packId: string, error: AuroraError | undefined): void {
    if (error?.code === "denied" || error?.code === "state-invalid") this.#denials.set(packId, error);
  }

  #spawn(options: ChildOptions, { packId, generation }: ServiceSpec): Bun.Subprocess {
    const pack = hostedPackOf(this.#workspace, packId, generation);
    if (!pack) throw new AuroraError("not-found", `cannot start "${packId}": its tree is not known any more`);
    const prepared = hostedProcess(this.#workspace, pack);
    const { confinement, user, summary } = prepared;
    refuseUnreachable(options.env["NOTIFY_SOCKET"], confinement, this.#workspace.paths.run);
    // So that it can open /dev/stdout and /dev/stderr.
    for (const log of user === undefined ? [] : [options.stdout, options.stderr])
      if (typeof log === "number") fchownSync(log, user as number, user as number);
    this.#serve(packId, prepared);
    setServiceConfinement(this.#workspace.registry, packId, JSON.stringify(summary));
    const pipe = confinement.launch === null ? undefined : openPipe();
    try {
      const confined = spawnConfined(options, confinement, pipe?.write);
      this.#noteGroup(packId, confined.controlGroup);
      const { pid } = confined.child;
      if (pipe) this.#watchLaunch(pid, { packId, confined, pipe: pipe.read, atMs: performance.now() });
      if (isEnforced(confinement.layers, "memory-watch")) this.#watched.set(pid, memoryReportOf(confined));
      return confined.child;
    } catch (thrown) {
      if (pipe) closeSync(pipe.read);
      throw thrown;
    } finally {
      if (pipe) closeSync(pipe.write);
    }
  }

  /** Serves a service that an earlier daemon has started. One that cannot be served runs on, and is in no other's way. */
  adopt(packId: string, generation: number, pid: number): void {
    // It has just been started here.
    if (this.#channels.has(packId)) return;
    try {
      const pack = hostedPackOf(this.#workspace, packId, generation);
      if (!pack) return;
      const prepared = hostedProcess(this.#workspace, pack);
      this.#serve(packId, prepared);
      prepared.confinement.renewGroup?.(pid);
      this.#noteGroup(packId, startGroupOf(pid));
    } catch (thrown) {
      this.#workspace.warn(
        `"${packId}" cannot ask for anything until it is started anew: ${toAuroraError(thrown).message}`,
      );
    }
  }

  /** A service that has been stopped asks for nothing any more. */
  async forget(packId: string): Promise<void> {
    const channel = this.#channels.get(packId);
    this.#channels.delete(packId);
    this.#groups.delete(packId);
    await channel?.[Symbol.asyncDispose]();
    removeForgottenGroups();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#channels.keys().map((packId) => this.forget(packId)));
  }

  /** One channel serves all starts of a generation in turn: it lies in the scratch that they share. */
  #serve(packId: string, prepared: PackProcess): void {
    if (this.#channels.has(packId)) return;
    const channel = serveOwn(this.#answers, packId, prepared);
    if (channel) this.#channels.set(packId, channel);
  }

  /**
   * What a service changes while a transaction starts it is part of that transaction, which holds the lock and waits for it;
   * else it waits for the lock like anybody.
   */
  #ownWorkspace(packId: string): Workspace {
    const workspace = this.#workspace;
    const { underLock, forWriting } = workspace;
    if (!underLock || !forWriting) return workspace;
    return {
      ...workspace,
      underLock: (description, work) =>
        isAwaited(workspace, packId) ? forWriting(work) : underLock(description, work),
    };
  }

  /** The launcher finds out in the child what keeps it from being the service. */
  #watchLaunch(pid: number, launch: Launch): void {
    this.#launches.set(pid, launch);
    if (!this.#isLooking) this.#lookLater();
  }

  /** The directory of the control group that a service is in. */
  groupOf(packId: string): string | undefined {
    return this.#groups.get(packId);
  }

  /**
   * The first process of a service has ended: what kept it from becoming the service is known now, and whether it has had too much
   * memory.
   */
  ended(packId: string, pid: number): KnownEnd {
    const watched = this.#watched.get(pid);
    const isOverLimit = watched?.memory()?.isTooMuch ?? false;
    const launch = this.#launches.get(pid);
    const failure = launch?.confined.failure();
    if (launch) {
      this.#noteDenial(packId, failure);
      if (failure) this.#workspace.warn(`"${packId}" did not start: ${failure.message}`);
      this.#letGo(pid, launch);
    }
    watched?.dispose();
    this.#watched.delete(pid);
    return { failure: failure?.message ?? null, isOverLimit };
  }

  #noteGroup(packId: string, directory: string | undefined): void {
    if (directory === undefined) this.#groups.delete(packId);
    else this.#groups.set(packId, directory);
  }

  #letGo(pid: number, { confined, pipe }: Launch): void {
    this.#launches.delete(pid);
    if (!this.#watched.has(pid)) confined.dispose();
    closeSync(pipe);
  }

  /** One timer for all of them, and only while there are any. */
  #lookLater(): void {
    this.#isLooking = true;
    setTimeout(() => {
      const nowMs = performance.now();
      for (const [pid, launch] of this.#launches) {
        const isThere = isExecuted(launch);
        if (isThere || nowMs - launch.atMs > LAUNCH_MS) this.#letGo(pid, launch);
        if (isThere) this.#onLaunched(launch.packId);
      }
      this.#isLooking = false;
      if (this.#launches.size > 0) this.#lookLater();
    }, LAUNCH_LOOK_MS).unref();
  }
}

/** What is confined finds no abstract names of the outside, and would be waited for in vain. */
function refuseUnreachable(address: string | undefined, { layers }: Confinement, directory: string): void {
  const isInside = isEnforced(layers, "network-namespace") || isEnforced(layers, "landlock-scopes");
  if (!isInside || !address?.startsWith("@")) return;
  throw new AuroraError(
    "not-supported",
    `the home's path is too long for the socket of a confined service: "${directory}" has ${Buffer.byteLength(directory)} bytes, and may have ${MAX_NOTIFY_DIRECTORY_BYTES}`,
  );
}

/** Nothing else of a start is held on to. */
function memoryReportOf({ memory, dispose }: ConfinedChild): Pick<ConfinedChild, "memory" | "dispose"> {
  return { memory, dispose };
}

/** A launch that has failed ends as well: that is told with the end of its process. */
function isExecuted({ confined, pipe }: Launch): boolean {
  try {
    return readSync(pipe, new Uint8Array(1)) === 0 && confined.failure() === undefined;
  } catch {
    return false; // EAGAIN: nothing is ever written to it.
  }
}

/** Whether somebody who holds the home's lock waits for a service. */
function isAwaited({ registry }: Workspace, packId: string): boolean {
  return isPackChanging(registry, packId) || serviceOf(registry, packId)?.state === "starting";
}
