import { type MemoryDirectory, type MemoryNode } from "./memory-tree.ts";
import { type Watch, type WatchEvent } from "./mount.ts";

/** So many changes wait for a slow watcher, as inotify(7) has it; one more is an overflow. */
const MAX_WAITING = 16_384;

type Watcher = { waiting: WatchEvent[]; isEnded: boolean; wake: () => void };

/** Who watches what in a memory mount. */
export class MemoryWatchers {
  readonly #byNode = new Map<MemoryNode, Set<Watcher>>();

  watch(node: MemoryNode): Watch {
    const watcher: Watcher = { waiting: [], isEnded: false, wake: () => {} };
    const watchers = this.#byNode.get(node) ?? new Set();
    this.#byNode.set(node, watchers.add(watcher));
    const forget = () => {
      watchers.delete(watcher);
      if (watchers.size === 0 && this.#byNode.get(node) === watchers) this.#byNode.delete(node);
    };
    async function* events(): Watch["events"] {
      try {
        for (;;) {
          yield* watcher.waiting.splice(0);
          if (watcher.waiting.length > 0) continue;
          if (watcher.isEnded) return;
          await new Promise<void>((resolve) => (watcher.wake = resolve));
        }
      } finally {
        forget();
      }
    }
    return { events: events(), stop: () => endOne(watcher) };
  }

  /** A name in a directory, and what it stands for. */
  tell(type: "rename" | "change", directory: MemoryDirectory, name: string, node: MemoryNode): void {
    if (this.#byNode.size === 0) return;
    for (const watcher of this.#byNode.get(directory) ?? []) add(watcher, { type, name });
    for (const watcher of this.#byNode.get(node) ?? []) add(watcher, { type, name: null });
  }

  /** What is watched is gone. */
  end(node: MemoryNode): void {
    for (const watcher of this.#byNode.get(node) ?? []) endOne(watcher);
  }
}

function add(watcher: Watcher, event: WatchEvent): void {
  if (watcher.waiting.length < MAX_WAITING) watcher.waiting.push(event);
  else if (watcher.waiting.at(-1)?.type !== "overflow")
    watcher.waiting.push({ type: "overflow", name: null });
  watcher.wake();
}

function endOne(watcher: Watcher): void {
  watcher.isEnded = true;
  watcher.wake();
}
