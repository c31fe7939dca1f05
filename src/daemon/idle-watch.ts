type IdleWorld = {
  /** Whether there is anything to do or to watch. */
  isBusy: () => boolean;
  onIdle: () => void;
};

/** Ends a daemon that nobody needs: it was started by a command, and is there again as soon as one needs it. */
export class IdleWatch {
  readonly #idleMs: number | null;
  readonly #world: IdleWorld;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isEnded = false;

  /** @param idleMs so long without anything to do; null: it never ends */
  constructor(idleMs: number | null, world: IdleWorld) {
    this.#idleMs = idleMs;
    this.#world = world;
  }

  /** Something has happened: the time begins anew. */
  touch(): void {
    // An answer may still be given when all else has ended.
    if (this.#idleMs === null || this.#isEnded) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#world.isBusy()) this.touch();
      else this.#world.onIdle();
    }, this.#idleMs);
  }

  [Symbol.dispose](): void {
    this.#isEnded = true;
    clearTimeout(this.#timer);
  }
}
