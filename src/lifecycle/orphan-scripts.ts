import { lookAtAll } from "../process/look-at-all.ts";
import { identify, type ProcessIdentity, stopTree } from "../process/tree.ts";
import { readProcess, readSettledEnvironment } from "../system/process-table.ts";
import { type Workspace } from "./workspace.ts";

/** How long an orphaned script gets to end, in milliseconds: first after SIGTERM, then after SIGKILL. */
const STOP_TIMEOUT_MS = 2000;

/**
 * Ends the scripts that outlived the program which ran them: killed alone, it leaves them at work, and they would go on with
 * what is being undone. They are told by the token of a lock that nobody holds any more. A service keeps such a token too,
 * and so does what runs in the background by request; those stay.
 *
 * The caller holds the home's lock.
 */
export async function endOrphanScripts({
  paths,
  lockToken = "",
}: Pick<Workspace, "paths" | "lockToken">): Promise<void> {
  await stopTree(() => findOrphans(paths.home, lockToken), {
    signal: "SIGTERM",
    timeoutMs: STOP_TIMEOUT_MS,
    killTimeoutMs: STOP_TIMEOUT_MS,
  });
}

function findOrphans(home: string, lockToken: string): ProcessIdentity[] {
  return lookAtAll((pids) => Array.from(pids).flatMap((pid) => orphanWith(pid, home, lockToken) ?? []));
}

function orphanWith(pid: number, home: string, lockToken: string): ProcessIdentity | undefined {
  // An orphan may call this very program.
  if (pid === process.pid || readProcess(pid)?.isKernelThread !== false) return undefined;
  const environment = readSettledEnvironment(pid);
  const has = (text: string) => environment?.includes(`\0${text}`) ?? false;
  if (!has(`AURORA_HOME=${home}\0`) || !has("AURORA_LOCK=") || has(`AURORA_LOCK=${lockToken}\0`))
    return undefined;
  return has("AURORA_SERVICE=") || has("AURORA_BACKGROUND=") ? undefined : identify(pid);
}
