import { type ProcessIdentity, send } from "../process/tree.ts";
import { isHalted } from "../system/process-table.ts";

/** Most processes stand still within microseconds: so long it is waited for them without a turn of the event loop. */
const SPIN_MS = 2;
const PAUSE_MS = 2;

export type FrozenTree = {
  /** Whether it still stands still: somebody may have woken it meanwhile. */
  holds: () => boolean;
  /** Has it go on. What was stopped before stays so. */
  thaw: () => void;
};

/**
 * Stops all processes of a tree (SIGSTOP) and waits until none of them can run any more: then nothing is written by them until
 * `thaw` is called. A process that waits for the disk stands still only when the disk has answered.
 *
 * @param find looks for the tree's processes anew: one may fork until it is stopped
 * @returns undefined where one could not be stopped within `limitMs`, and then all go on
 */
export async function freezeTree(
  find: () => ProcessIdentity[],
  limitMs: number,
): Promise<FrozenTree | undefined> {
  const started = performance.now();
  const seen = new Map<string, ProcessIdentity>();
  const stopped: ProcessIdentity[] = [];
  const holds = () => [...seen.values()].every(({ pid }) => isHalted(pid));
  const thaw = () => {
    for (const identity of stopped) send(identity, "SIGCONT");
  };
  for (;;) {
    const fresh = find().filter((identity) => !seen.has(keyOf(identity)));
    if (fresh.length === 0) return { holds, thaw };
    for (const identity of fresh) {
      seen.set(keyOf(identity), identity);
      if (!isHalted(identity.pid) && send(identity, "SIGSTOP")) stopped.push(identity);
    }
    while (!holds()) {
      const sinceMs = performance.now() - started;
      if (sinceMs > limitMs) {
        thaw();
        return undefined;
      }
      if (sinceMs > SPIN_MS) await Bun.sleep(PAUSE_MS);
    }
  }
}

function keyOf({ pid, startTime }: ProcessIdentity): string {
  return `${pid}.${startTime}`;
}
