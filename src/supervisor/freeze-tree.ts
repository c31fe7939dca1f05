import { type ProcessIdentity, send } from "../process/tree.ts";
import { isHalted } from "../system/process-table.ts";

/**
 * Stops all processes of a tree (SIGSTOP) and returns when none of them can run any more: until `thaw` is called nothing is
 * written by them. What was stopped before stays so after.
 *
 * It does not return to the event loop in between, so that nobody else has them go on.
 *
 * @param find looks for the tree's processes anew: one may fork until it is stopped
 * @returns lets them go on; undefined where one could not be stopped in time, and then all go on
 */
export function freezeTree(find: () => ProcessIdentity[], limitMs: number): (() => void) | undefined {
  const deadline = performance.now() + limitMs;
  const seen = new Set<string>();
  const frozen: ProcessIdentity[] = [];
  const thaw = () => {
    for (const identity of frozen) send(identity, "SIGCONT");
  };
  for (;;) {
    const fresh = find().filter(({ pid, startTime }) => !seen.has(`${pid}.${startTime}`));
    if (fresh.length === 0) return thaw;
    for (const identity of fresh) {
      seen.add(`${identity.pid}.${identity.startTime}`);
      if (!isHalted(identity.pid) && send(identity, "SIGSTOP")) frozen.push(identity);
    }
    while (!fresh.every(({ pid }) => isHalted(pid))) {
      if (performance.now() < deadline) continue;
      thaw();
      return undefined;
    }
  }
}
