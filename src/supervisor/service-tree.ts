import { findProcesses, type ProcessIdentity } from "../process/tree.ts";
import { bootId } from "../system/boot.ts";
import { childIds } from "../system/child-processes.ts";
import { groupMembers } from "../system/control-group.ts";
import { processIds, readEnvironment, readProcess } from "../system/process-table.ts";

/** The variable that marks all processes of a service. */
export const SERVICE_VARIABLE = "AURORA_SERVICE";

/** Which processes are a service's. */
export type ServiceMark = {
  serviceId: string;
  /** Its first process, while its number cannot be somebody else's; it leads the session and the group. */
  leader: number | null;
  /** The directory of its control group, where it has one: all that is in it is the service's, whatever it has left. */
  controlGroup?: string | undefined;
};

/** So often the list of children is read anew where it changes meanwhile. */
const MAX_LOOKS = 5;

/**
 * All living processes of a service that is a child of this process, which is a subreaper: those below the leader, and those
 * that lost their parent and became children of this process. So only its own processes are looked at and not all of the
 * machine's: 0.1 ms instead of 6 among 500 processes.
 *
 * @param known children of this process that are other services' leaders
 */
export function findOwnTree(mark: ServiceMark, known: ReadonlySet<number>): ProcessIdentity[] {
  const { controlGroup } = mark;
  for (let look = 0; look < MAX_LOOKS; look++) {
    const children = childIds(process.pid);
    if (!children) break;
    const found = new Set<number>();
    for (const pid of controlGroup === undefined ? [] : groupMembers(controlGroup))
      addWithDescendants(pid, found);
    for (const pid of children)
      if (pid === mark.leader || (!known.has(pid) && isOf(mark, pid))) addWithDescendants(pid, found);
    // Whose parent ends during the look may have been seen in neither place.
    if (isSame(children, childIds(process.pid))) return identities(found);
  }
  return findTree(mark);
}

/** All living processes of a service, whoever started it: a look at everything that runs. */
export function findTree({ serviceId, leader, controlGroup }: ServiceMark): ProcessIdentity[] {
  return findProcesses({
    environment: { [SERVICE_VARIABLE]: serviceId },
    ...(leader === null ? {} : { session: leader, processGroup: leader }),
    ...(controlGroup === undefined ? {} : { controlGroup }),
  });
}

/** A program that is being executed has no environment for some microseconds: so often, and so long, it is looked at again. */
const EXEC_LOOKS = 10;
const EXEC_PAUSE_MS = 1;
/** The parent of all kernel threads, which never have an environment. */
const KTHREADD = 2;

/** Which service a process belongs to by its environment; null where it cannot be told, or it is gone. */
export function serviceIdOf(pid: number): string | null {
  let found = markOf(pid);
  for (let look = 0; found === undefined && look < EXEC_LOOKS; look++) {
    Bun.sleepSync(EXEC_PAUSE_MS);
    found = markOf(pid);
  }
  return found ?? null;
}

/** Everything that runs under the mark of some service, found in one look: its mark → its processes. */
export function findMarked(): Map<string, number[]> {
  const found = new Map<string, number[]>();
  let pids = processIds();
  for (let look = 0; pids.length > 0 && look <= EXEC_LOOKS; look++) {
    if (look > 0) Bun.sleepSync(EXEC_PAUSE_MS);
    pids = pids.filter((pid) => {
      const mark = markOf(pid);
      if (typeof mark === "string") found.set(mark, [...(found.get(mark) ?? []), pid]);
      return mark === undefined;
    });
  }
  return found;
}

/** Null for none; undefined where the process lives and has no environment, which may be a matter of a moment. */
function markOf(pid: number): string | null | undefined {
  const entry = readProcess(pid);
  if (!entry || entry.state === "Z" || entry.state === "X" || entry.parent === KTHREADD) return null;
  const environment = readEnvironment(pid);
  if (!environment) return null;
  if (environment.length <= 1) return pid === KTHREADD ? null : undefined;
  return new RegExp(`\0${SERVICE_VARIABLE}=([^\0]*)\0`).exec(environment.toString("latin1"))?.[1] ?? null;
}

/** Of the processes of a service whose first one was not recorded: the one that leads its session. */
export function firstOf(pids: readonly number[]): { pid: number; startTime: number } | null {
  const leaders = pids.flatMap((pid) => readProcess(pid) ?? []).filter(({ pid, session }) => pid === session);
  const first = leaders.sort((a, b) => a.startTime - b.startTime)[0];
  return first ? { pid: first.pid, startTime: first.startTime } : null;
}

function isOf({ serviceId, leader }: ServiceMark, pid: number): boolean {
  const entry = readProcess(pid);
  if (!entry || entry.state === "Z") return false;
  if (leader !== null && (entry.session === leader || entry.processGroup === leader)) return true;
  return serviceIdOf(pid) === serviceId;
}

function addWithDescendants(pid: number, found: Set<number>): void {
  if (found.has(pid)) return;
  found.add(pid);
  for (const child of childIds(pid) ?? []) addWithDescendants(child, found);
}

function identities(pids: ReadonlySet<number>): ProcessIdentity[] {
  const boot = bootId();
  return [...pids].flatMap((pid) => {
    const entry = readProcess(pid);
    if (!entry || entry.state === "Z" || entry.state === "X") return [];
    return [{ pid, startTime: entry.startTime, bootId: boot, command: entry.name }];
  });
}

function isSame(before: readonly number[], after: readonly number[] | undefined): boolean {
  return (
    after !== undefined && before.length === after.length && before.every((pid, at) => pid === after[at])
  );
}
