import { toAuroraError } from "../errors.ts";
import { checkHealth, hasHealthCheck, recordHealth, whyUnhealthy } from "../lifecycle/health.ts";
import { type LivePack, soundLivePacks } from "../lifecycle/live-pack.ts";
import { observeService } from "../lifecycle/observe-service.ts";
import { isHosted } from "../lifecycle/service-host.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { serviceOf } from "../registry/services.ts";
import { UNHEALTHY_AFTER } from "../supervisor/service-machine.ts";
import { bootId } from "../system/boot.ts";
import { isInTransaction } from "./in-transaction.ts";

type Watched = { pack: LivePack; dueMs: number; failures: number; generation: number };

/**
 * Checks the health of running oneshot packs as often as their manifests say. What is found is recorded where it has changed;
 * bringing such a pack back is its operator's business, since only its own scripts know how.
 */
export class OneshotWatch {
  readonly #workspace: Workspace;
  readonly #onEvent: () => void;
  readonly #watched = new Map<string, Watched>();
  readonly #stopping = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isChecking = false;

  /** @param onEvent called when the event log has grown */
  constructor(workspace: Workspace, onEvent: () => void) {
    this.#workspace = workspace;
    this.#onEvent = onEvent;
  }

  /** Looks which packs there are to watch. */
  look(): void {
    if (this.#stopping.signal.aborted) return;
    const nowMs = performance.now();
    const present = new Set<string>();
    for (const pack of soundLivePacks(this.#workspace)) {
      const { row } = pack;
      const { health } = pack.manifest.pack;
      if (isHosted(pack.manifest) || !hasHealthCheck(pack.manifest) || health.watch_seconds === 0) continue;
      if (!this.#isUp(row.pack_id)) continue;
      present.add(row.pack_id);
      if (this.#watched.get(row.pack_id)?.generation === row.generation) continue;
      const dueMs = nowMs + health.watch_seconds * 1000;
      this.#watched.set(row.pack_id, { pack, dueMs, failures: 0, generation: row.generation });
    }
    for (const packId of this.#watched.keys()) if (!present.has(packId)) this.#watched.delete(packId);
    this.#arm();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#watched.clear();
    this.#stopping.abort();
  }

  #isUp(packId: string): boolean {
    const row = serviceOf(this.#workspace.registry, packId);
    return row !== undefined && observeService(row, bootId()).state === "running";
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#watched.size === 0 || this.#isChecking) return;
    const dueMs = Math.min(...[...this.#watched.values()].map((one) => one.dueMs));
    this.#timer = setTimeout(() => void this.#check(), Math.max(1, dueMs - performance.now()));
  }

  async #check(): Promise<void> {
    this.#isChecking = true;
    const nowMs = performance.now();
    const due = [...this.#watched].filter(([, { dueMs }]) => dueMs <= nowMs);
    await Promise.all(due.map(([packId, watched]) => this.#checkOne(packId, watched)));
    this.#isChecking = false;
    this.look();
  }

  async #checkOne(packId: string, watched: Watched): Promise<void> {
    const { pack } = watched;
    watched.dueMs = performance.now() + pack.manifest.pack.health.watch_seconds * 1000;
    // A transaction has its own gate, and may have stopped the pack just now.
    if (isInTransaction(this.#workspace, packId) || !this.#isUp(packId)) return;
    const { signal } = this.#stopping;
    try {
      const report = await checkHealth(this.#workspace, pack.script, signal);
      const { health } = report;
      watched.failures = health === "healthy" ? 0 : watched.failures + 1;
      const isDecided = health === "healthy" || watched.failures >= UNHEALTHY_AFTER;
      if (signal.aborted || !isDecided || !this.#isUp(packId)) return;
      if (serviceOf(this.#workspace.registry, packId)?.health === health) return;
      recordHealth(this.#workspace, packId, health, whyUnhealthy(report));
      this.#onEvent();
    } catch (thrown) {
      this.#workspace.warn(`cannot check the health of "${packId}": ${toAuroraError(thrown).message}`);
    }
  }
}
