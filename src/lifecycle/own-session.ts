import { findProcesses, type ProcessIdentity } from "../process/tree.ts";
import { type ObservedColumns } from "../registry/services.ts";
import { readProcess } from "../system/process-table.ts";

/**
 * The session of a service's start, as long as somebody is in it who is known to be of this service: by what was recorded, or by
 * the mark in its environment. Once nobody is in a session any more, the kernel gives its number to anybody.
 *
 * @param known those of the service that are known already
 */
export function ownSession(
  { session, service_id }: Pick<ObservedColumns, "session" | "service_id">,
  known: readonly ProcessIdentity[],
): number | undefined {
  if (session === null) return undefined;
  const isInIt = ({ pid }: ProcessIdentity) => readProcess(pid)?.session === session;
  const isOwn =
    known.some(isInIt) || findProcesses({ environment: { AURORA_SERVICE: service_id } }).some(isInIt);
  return isOwn ? session : undefined;
}
