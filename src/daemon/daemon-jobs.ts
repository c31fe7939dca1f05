import { AuroraError, toAuroraError } from "../errors.ts";
import { packJobs } from "../lifecycle/jobs.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { JobService } from "./jobs/job-service.ts";
import { isDone } from "./jobs/job-timing.ts";

/** Where another process runs the jobs, or something was in the way, it is tried again after so long, in milliseconds. */
const RETRY_MS = 10_000;

/** Runs the home's jobs as soon as there are any; without jobs nothing is polled. */
export class DaemonJobs {
  readonly #workspace: Workspace;
  readonly #settle: () => Promise<void>;
  #service: JobService | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #starting: Promise<void> | undefined;
  #isRefused = false;
  #isDisposed = false;

  /** @param settle finishes what a crash has left, where nobody is at work on it */
  constructor(workspace: Workspace, settle: () => Promise<void>) {
    this.#workspace = workspace;
    this.#settle = settle;
  }

  /** Whether there are jobs that are still to run. */
  get isPending(): boolean {
    return packJobs(this.#workspace.registry).some((job) => !isDone(job));
  }

  /** Brings what runs in line with what the registry says now. Never throws. */
  async look(): Promise<void> {
    if (this.#isDisposed) return;
    try {
      if (this.#service) this.#service.reload();
      else if (this.isPending) await (this.#starting ??= this.#start());
    } catch (thrown) {
      this.#workspace.warn(`cannot run the jobs: ${toAuroraError(thrown).message}`);
    }
  }

  /** The registry has changed: what runs the jobs already knows. */
  noticed(): void {
    if (!this.#service) void this.look();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
    await this.#starting;
    await this.#service?.[Symbol.asyncDispose]();
  }

  #lookAfter(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.look();
    }, ms);
  }

  async #start(): Promise<void> {
    const service = new JobService({ workspace: this.#workspace, command: "daemon", settle: this.#settle });
    try {
      await service.start();
    } catch (thrown) {
      await service[Symbol.asyncDispose]();
      if (!(thrown instanceof AuroraError)) throw thrown;
      // Said once, and not with every try.
      if (!this.#isRefused) this.#workspace.warn(`${thrown.message}; it is tried again`);
      this.#isRefused = true;
      this.#lookAfter(RETRY_MS);
      return;
    } finally {
      this.#starting = undefined;
    }
    this.#isRefused = false;
    this.#service = service;
    void this.#watchOver(service);
  }

  async #watchOver(service: JobService): Promise<void> {
    const error = await service.broken;
    if (this.#isDisposed) return;
    this.#workspace.warn(error.message);
    this.#service = undefined;
    await service[Symbol.asyncDispose]();
    this.#lookAfter(RETRY_MS);
  }
}
