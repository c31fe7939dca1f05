import { type FSWatcher, watch } from "node:fs";

import { type HomePaths } from "../system/home.ts";

/** A change of the registry is often several writes: it is told so long after the first of them, in milliseconds. */
const QUIET_MS = 50;

/** Tells of changes to the registry, whoever makes them. The kernel is asked for that, so that nothing is polled. */
export class RegistryWatch {
  readonly #watcher: FSWatcher;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(paths: Pick<HomePaths, "home">, changed: () => void) {
    this.#watcher = watch(paths.home, { persistent: false }, (_event, name) => {
      if (!name?.startsWith("state.db")) return;
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        changed();
      }, QUIET_MS);
    });
    this.#watcher.on("error", () => this.#watcher.close());
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#watcher.close();
  }
}
