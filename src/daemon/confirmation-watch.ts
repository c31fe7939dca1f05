import { confirmationLeftMs } from "../lifecycle/confirmation.ts";
import { settleIfIdle } from "../lifecycle/settle.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { openTransactions } from "../registry/transactions.ts";
import { bootTime } from "../system/boot.ts";

/** A suspended machine does not run timers: so a deadline is looked at again this often, in milliseconds. */
const LOOK_MS = 1000;

/** Rolls back what was installed with `--confirm-within` and is not confirmed in time. */
export class ConfirmationWatch {
  readonly #workspace: Workspace;
  readonly #onBack: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isSettling = false;
  #isEnded = false;

  /** @param onBack called when something was rolled back */
  constructor(workspace: Workspace, onBack: () => void) {
    this.#workspace = workspace;
    this.#onBack = onBack;
  }

  /** Whether a transaction waits to be confirmed. */
  get isWaiting(): boolean {
    return this.#waiting().length > 0;
  }

  /** Looks which transactions wait, and comes back when the first is out of time. */
  look(): void {
    clearTimeout(this.#timer);
    if (this.#isEnded) return;
    const waiting = this.#waiting();
    if (waiting.length === 0 || this.#isSettling) return;
    const [boot, now] = [bootTime(), this.#workspace.now()];
    const leftMs = Math.min(...waiting.map((row) => confirmationLeftMs(row, boot, now)));
    if (leftMs === 0) return void this.#goBack();
    this.#timer = setTimeout(() => this.look(), Math.min(LOOK_MS, leftMs));
  }

  [Symbol.dispose](): void {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #waiting() {
    return openTransactions(this.#workspace.registry).filter(({ state }) => state === "unconfirmed");
  }

  async #goBack(): Promise<void> {
    this.#isSettling = true;
    try {
      await settleIfIdle(this.#workspace);
      this.#onBack();
    } catch (thrown) {
      this.#workspace.warn(`cannot roll back: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    } finally {
      this.#isSettling = false;
    }
    if (!this.#isEnded) this.#timer = setTimeout(() => this.look(), LOOK_MS);
  }
}
