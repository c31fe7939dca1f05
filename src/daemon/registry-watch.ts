import { type FSWatcher, statSync, watch } from "node:fs";
import { basename } from "node:path";

import { type HomePaths } from "../system/home.ts";

/** A change of the registry is often several writes: it is told so long after the first of them, in milliseconds. */
const QUIET_MS = 100;
/** The runtime begins to watch in a thread of its own: what came before that is looked for once, so much later. */
const SETTLED_MS = 500;

/** `replaced`: another file is in its place. `gone`: there is none, or another directory is in the home's place, or none. */
export type RegistryChange = "written" | "replaced" | "gone";

/** Tells of changes to the registry, whoever makes them. The kernel is asked for that, so that nothing is polled. */
export class RegistryWatch {
  readonly #paths: Pick<HomePaths, "home" | "database">;
  readonly #home: string | undefined;
  readonly #database: string | undefined;
  readonly #watcher: FSWatcher;
  readonly #settling: ReturnType<typeof setTimeout>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(paths: Pick<HomePaths, "home" | "database">, changed: (change: RegistryChange) => void) {
    this.#paths = paths;
    this.#home = fileAt(paths.home);
    this.#database = fileAt(paths.database);
    const look = () => {
      this.#timer = undefined;
      // What was on its way when this was closed is told after that: nobody has a registry to look into any more.
      if (this.#isClosed) return;
      changed(this.#change());
    };
    const own = basename(paths.home);
    this.#watcher = watch(paths.home, { persistent: false }, (_event, name) => {
      // Of itself a directory tells by its own name: it was moved, or removed.
      if (name === null || name === own || name.startsWith("state.db"))
        this.#timer ??= setTimeout(look, QUIET_MS);
    });
    this.#settling = setTimeout(look, SETTLED_MS);
    this.#watcher.on("error", () => this.#watcher.close());
  }

  #change(): RegistryChange {
    const database = fileAt(this.#paths.database);
    if (database === undefined || fileAt(this.#paths.home) !== this.#home) return "gone";
    return database === this.#database ? "written" : "replaced";
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#settling);
    this.#watcher.close();
  }
}

/** What is at a path: the same for as long as it is the same file. */
function fileAt(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && `${stat.dev} ${stat.ino}`;
}
