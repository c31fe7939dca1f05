import { longTimer } from "./long-timer.ts";

/**
 * Ends a child, and with `isLeader` its whole process group, where there is no /proc to find its tree by: the signal, time to
 * end, then SIGKILL. What has left the group goes on.
 *
 * @param isLeader the child leads a group of its own
 */
export async function stopGroup(
  child: Pick<Bun.Subprocess, "pid" | "exited">,
  isLeader: boolean,
  { signal, timeoutMs }: { signal: NodeJS.Signals; timeoutMs: number },
): Promise<void> {
  const send = (name: NodeJS.Signals) => {
    try {
      process.kill(isLeader ? -child.pid : child.pid, name);
    } catch {
      // It has ended.
    }
  };
  const overdue = Promise.withResolvers<undefined>();
  const cancel = longTimer(timeoutMs, () => overdue.resolve(undefined));
  send(signal);
  send("SIGCONT");
  await Promise.race([child.exited, overdue.promise]);
  cancel();
  // Also for what its group still holds.
  send("SIGKILL");
  await child.exited;
}
