import { AuroraError } from "../errors.ts";
import { type ActedPack, actedPacks } from "../lifecycle/acted-packs.ts";
import { requireLivePack } from "../lifecycle/live-pack.ts";
import { packStatuses, statusesWithUsage } from "../lifecycle/pack-status.ts";
import { runningDependents } from "../lifecycle/running-dependents.ts";
import { type ScriptPack } from "../lifecycle/script.ts";
import { withLockedHome } from "../lifecycle/settle.ts";
import { parseSignal, type SignalledPack, signalPack } from "../lifecycle/signal-pack.ts";
import { isRunning, restartPacks, startPacks, stopPacks } from "../lifecycle/start-packs.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { buildInfo } from "../system/build-info.ts";
import { type DaemonStatus, type SupervisedService } from "./api-schema.ts";
import { type DaemonActions, type PackAction } from "./api.ts";
import { EventFeed } from "./event-feed.ts";
import { metricsText } from "./metrics.ts";
import { refuseBrokenProgram } from "./refuse-broken-program.ts";
import { type ServiceKeeper } from "./service-keeper.ts";
import { socketPath } from "./socket-path.ts";

/** How long a request waits for another transaction to end, in milliseconds. */
const LOCK_WAIT_MS = 10_000;

/** Why a daemon ends. */
export type DaemonEnding = "stop" | "stop-services" | "become-binary" | "idle" | "home-gone" | "replaced";

export type DaemonOptions = {
  workspace: Workspace;
  keeper: ServiceKeeper;
  startedAt: Date;
  idleExitMs: number | null;
  http: () => { clients: number; streams: number; requests: number };
  end: (ending: DaemonEnding) => void;
  reload: () => void;
};

/** What the daemon does for those who ask on its socket. */
export class Daemon implements DaemonActions {
  readonly events: EventFeed;
  readonly #options: DaemonOptions;
  readonly #startedMs = performance.now();

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.events = new EventFeed(() => options.workspace.registry);
  }

  statuses(packIds: readonly string[]) {
    return packStatuses(this.#options.workspace, packIds);
  }

  async act(action: PackAction, packId: string, { dependents } = { dependents: false }): Promise<ActedPack> {
    const { workspace } = this.#options;
    const description = `${action} ${packId}`;
    return await withLockedHome(workspace, description, LOCK_WAIT_MS, async (locked) => {
      const { script } = requireLivePack(locked, packId);
      const wasRunning = isRunning(locked, packId);
      const others = dependents ? runningDependents(locked, [packId]) : [];
      const scripts = [script, ...others.map((other) => other.script)];
      const started = await perform(action, locked, scripts);
      const own = started.find((one) => one.pack_id === packId);
      const changed = action === "stop" ? wasRunning : (own?.changed ?? false);
      this.events.poke();
      return actedPacks(locked, [{ pack_id: packId, changed }])[0] as ActedPack;
    });
  }

  signal(packId: string, { signal, all }: { signal: string; all: boolean }): SignalledPack {
    const { workspace } = this.#options;
    return signalPack(workspace, requireLivePack(workspace, packId), parseSignal(signal), all);
  }

  async startService(packId: string, generation: number): Promise<SupervisedService> {
    // What came of that start, which is not how it is by now: it may be tried again.
    const started = await this.#options.keeper.start(packId, generation);
    return { ...this.#supervised(packId), ...started };
  }

  async vouchService(packId: string, generation: number): Promise<SupervisedService> {
    const vouched = await this.#options.keeper.vouch(packId, generation);
    return { ...this.#supervised(packId), ...vouched };
  }

  async stopService(packId: string): Promise<SupervisedService> {
    await this.#options.keeper.stop(packId);
    return this.#supervised(packId);
  }

  #supervised(packId: string): SupervisedService {
    const view = this.#options.keeper.view(packId);
    return {
      pack_id: packId,
      generation: view?.generation ?? null,
      state: view?.state ?? "stopped",
      health: view?.health ?? "unknown",
      pid: view?.pid ?? null,
      exit_code: view?.exitCode ?? null,
      status_text: view?.statusText ?? null,
      reason: view?.reason ?? null,
    };
  }

  status(): DaemonStatus {
    const { workspace, keeper, startedAt, idleExitMs, http } = this.#options;
    return {
      running: true,
      pid: process.pid,
      version: buildInfo().version,
      home: workspace.paths.home,
      socket: socketPath(workspace.paths),
      started_at: startedAt.toISOString(),
      uptime_seconds: Math.round(performance.now() - this.#startedMs) / 1000,
      services: keeper.supervised,
      clients: http().clients,
      idle_exit_seconds: idleExitMs === null ? null : idleExitMs / 1000,
    };
  }

  stop({ services: withServices }: { services: boolean }): void {
    this.#options.end(withServices ? "stop-services" : "stop");
  }

  /** @throws {AuroraError} `not-supported`; `conflict` where the program file does not run */
  async reload({ binary }: { binary: boolean }): Promise<void> {
    if (!binary) return this.#options.reload();
    if (typeof process.execve !== "function")
      throw new AuroraError("not-supported", "cannot become another program file on this system", {
        hint: "aurora daemon stop, and start it anew: services go on meanwhile",
      });
    const { self, env } = this.#options.workspace;
    await refuseBrokenProgram(self, env);
    this.#options.end("become-binary");
  }

  metrics(): string {
    const { workspace, startedAt, http } = this.#options;
    const { statuses: packs, usage } = statusesWithUsage(workspace, []);
    return metricsText({
      version: buildInfo().version,
      startedSeconds: startedAt.getTime() / 1000,
      packs,
      usage,
      http: http(),
      residentBytes: process.memoryUsage.rss(),
    });
  }
}

async function perform(action: PackAction, workspace: Workspace, packs: readonly ScriptPack[]) {
  switch (action) {
    case "start":
      return await startPacks(workspace, packs);
    case "restart":
      return await restartPacks(workspace, packs);
    case "stop":
      await stopPacks(workspace, packs);
      return [];
  }
}
