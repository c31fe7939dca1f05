import { type MachineKills } from "./oom-watch.ts";

/** What the kernel says of a process that died of a SIGKILL which the daemon did not send, or whose exit it tells nobody but another parent. */
export type KillFacts = {
  /** Whether it is known that it died of SIGKILL. */
  isKnown: boolean;
  /** Of its control group: how often its own limit of memory was reached, and how many were killed for lack of it; null without one. */
  group: MemoryKills | null;
  /** On the whole machine, since somebody looked before; null where the kernel does not say. */
  onMachine: MachineKills | null;
  /** Without such a group: whoever waits for all of it has killed it for more than its limit. */
  isOverLimit: boolean;
};

/** What a control group counts of its memory, its own and that of groups below it (memory.events). */
type MemoryKills = { limitReached: number; killed: number };

const OVER_LIMIT = "it was killed for lack of memory: it took more than its limit";

/** Why a service was killed, in words, as far as it can be told; null where nothing says that it was. Pure. */
export function killReason({ isKnown, group, onMachine, isOverLimit }: KillFacts): string | null {
  if (isOverLimit) return OVER_LIMIT;
  if (group !== null && group.killed > 0)
    return group.limitReached > 0
      ? OVER_LIMIT
      : "it was killed for lack of memory: the machine had none left";
  if (!isKnown) return null;
  const killed = "it died of SIGKILL, which the daemon did not send";
  if (onMachine === null || onMachine.killed === 0) return killed;
  const processes = onMachine.killed === 1 ? "1 process" : `${onMachine.killed} processes`;
  return `${killed}; the kernel has killed ${processes} for lack of memory since ${onMachine.since.toISOString()}`;
}
