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

  /** @param idleMs so long without anything to do; null: it never ends */
  constructor(idleMs: number | null, world: IdleWorld) {
    this.#idleMs = idleMs;
    this.#world = world;
  }

  /** Something has happened: the time begins anew. */
  touch(): void {
    if (this.#idleMs === null) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#world.isBusy()) this.touch();
      else this.#world.onIdle();
    }, this.#idleMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
