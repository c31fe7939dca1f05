import { isAlive } from "../process/tree.ts";
import { type ServiceState } from "./service-state.ts";

/** What is kept of a service, so that the next daemon can take it over. Plain data. */
export type ServiceRecord = {
  packId: string;
  generation: number;
  /** In the environment of all its processes as `AURORA_SERVICE`: a new one for each start by the operator. */
  serviceId: string;
  /** Its first process; null where none was started yet, or that is not recorded yet. */
  leader: { pid: number; startTime: number } | null;
  /** Start times and the times in the state mean nothing in another boot. */
  bootId: string;
  state: ServiceState;
  /** When it came into its phase, RFC 3339. */
  since: string;
  /** What it says of itself by STATUS=; it says so once. A record of an earlier version has none. */
  statusText?: string | null;
  logDirectory: string;
};

/** Where the records are kept. */
export type ServiceStore = {
  load: () => ServiceRecord[];
  /** Replaces the records of these packs. When it returns, a crash of the daemon does not lose them. */
  save: (records: readonly ServiceRecord[]) => void;
  /** Forgets one. */
  remove: (packId: string) => void;
};

/** Whether the first process is still there, and not another that has got its number. */
export function isLeaderAlive({ leader, bootId }: ServiceRecord): boolean {
  return leader !== null && isAlive({ ...leader, bootId });
}
