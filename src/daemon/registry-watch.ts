import { type FSWatcher, statSync, watch } from "node:fs";

import { type HomePaths } from "../system/home.ts";

/** A change of the registry is often several writes: it is told so long after the first of them, in milliseconds. */
const QUIET_MS = 100;
/** The runtime begins to watch in a thread of its own: what came before that is looked for once, so much later. */
const SETTLED_MS = 500;

/** Tells of changes to the registry, whoever makes them. The kernel is asked for that, so that nothing is polled. */
export class RegistryWatch {
  readonly #watcher: FSWatcher;
  readonly #inode: number | undefined;
  readonly #settling: ReturnType<typeof setTimeout>;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param changed is told whether another file is in the place of the one that was there at first */
  constructor(
    { home, database }: Pick<HomePaths, "home" | "database">,
    changed: (isReplaced: boolean) => void,
  ) {
    this.#inode = inodeOf(database);
    this.#watcher = watch(home, { persistent: false }, (_event, name) => {
      if (name?.startsWith("state.db")) this.#timer ??= setTimeout(look, QUIET_MS);
    });
    const look = () => {
      this.#timer = undefined;
      const inode = inodeOf(database);
      changed(inode !== undefined && inode !== this.#inode);
    };
    this.#settling = setTimeout(look, SETTLED_MS);
    this.#watcher.on("error", () => this.#watcher.close());
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#settling);
    this.#watcher.close();
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}
