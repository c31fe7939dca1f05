import { toAuroraError } from "../errors.ts";
import { isAboveCommand } from "../process/confinement/process-names.ts";
import { identify, isAlive, type ProcessIdentity, send, signalled } from "../process/tree.ts";
import { endOf } from "../system/child-processes.ts";
import { killGroup, memoryKills } from "../system/control-group.ts";
import { innerProcessId, readProcess } from "../system/process-table.ts";
import { killReason } from "./kill-reason.ts";
import { type LogKeeper } from "./log-keeper.ts";
import { type NotifyMessage } from "./notify-message.ts";
import { type OomWatch } from "./oom-watch.ts";
import { type ServiceEvent } from "./service-machine.ts";
import { type Leader, startServiceProcess, watchForeign } from "./service-process.ts";
import { type ServiceRecord } from "./service-record.ts";
import { type ServiceSpec } from "./service-spec.ts";
import { type Phase, type ServiceState } from "./service-state.ts";
import { findOwnTree, findTree, serviceIdOf } from "./service-tree.ts";
import { type SupervisorWorld } from "./supervisor-world.ts";

/** What an instance asks of its supervisor. */
export type InstanceHost = {
  phaseOf: (packId: string) => Phase | undefined;
  /** Something has happened to it. */
  tell: (packId: string, event: ServiceEvent) => void;
  logs: LogKeeper;
  world: SupervisorWorld;
  /** Hears what a service has said so far. */
  hear: (packId: string) => void;
  oom: OomWatch;
  /** The first processes that are children of this process. */
  ownLeaders: () => Set<number>;
  /** Called with each child that has ended. */
  childExited: (child: Bun.Subprocess) => void;
  isSubreaper: boolean;
  bootId: string;
};

/** Pauses between looks at a tree that is to end, in milliseconds. */
const FIRST_LOOK_MS = 1;
const LONGEST_LOOK_MS = 50;
const nothing = () => {};

/** One service as it really is: its processes, and whoever watches them. */
export class ServiceInstance {
  spec: ServiceSpec;
  /** Marks its processes; a new one for each start by the operator. */
  serviceId = "";
  /** Its first process, until that has ended and nothing else of it is left. */
  leader: Leader | null = null;
  statusText: string | null = null;
  /** When it came into its state, on the wall clock. */
  sinceMs = Date.now();
  readonly #host: InstanceHost;
  /** Where the first process is a child of this one, its exit code is seen. */
  #child: Bun.Subprocess | null = null;
  #isOwn = false;
  #unwatch: () => void = nothing;
  #check: AbortController | null = null;
  #ending: AbortController | null = null;
  #isEnding = false;
  /** Resolved when the child has ended, while that is waited for. */
  #exit: PromiseWithResolvers<void> | null = null;

  constructor(spec: ServiceSpec, host: InstanceHost) {
    this.spec = spec;
    this.#host = host;
  }

  /** Starts its first process. @throws as `startServiceProcess` */
  start(notifyAddress: string | undefined): void {
    this.statusText = null;
    const { child, leader } = startServiceProcess(
      this.spec,
      this.serviceId,
      notifyAddress,
      this.#host.childExited,
      this.#host.world.spawn,
    );
    this.#child = child;
    this.#isOwn = true;
    this.leader = { ...leader, bootId: this.#host.bootId };
    this.#host.logs.add(this.spec);
  }

  /** Its first process, where that is a child of this process. */
  get ownLeader(): number | null {
    return this.#child !== null && this.#child.pid === this.leader?.pid ? this.#child.pid : null;
  }

  /** Goes on with what an earlier daemon has started. */
  resume(record: ServiceRecord, leader: Leader | null): void {
    this.serviceId = record.serviceId;
    this.sinceMs = Date.parse(record.since);
    this.statusText = leader && (record.statusText ?? null);
    this.leader = leader;
    const { logs } = this.#host;
    logs.recover(this.spec);
    if (!leader) return;
    logs.add(this.spec);
    this.#watch(leader);
  }

  /** One of its processes says how it is, and who stands for it. */
  note(senderPid: number, { status, mainPid }: NotifyMessage): void {
    if (status !== null) this.statusText = status;
    const refusal = mainPid === null ? null : this.#follow(senderPid, mainPid);
    const { packId } = this.spec;
    if (refusal !== null)
      this.#host.world.warn(`"${packId}" says MAINPID=${mainPid}, which is not followed: ${refusal}`);
  }

  /**
   * Another of its processes stands for it from now on (MAINPID=).
   *
   * @returns why it does not; null where it does
   */
  #follow(senderPid: number, mainPid: number): string | null {
    const { leader } = this;
    const inner = innerProcessId(senderPid);
    if (inner !== undefined)
      return isFirstInside(senderPid) && inner === mainPid
        ? null
        : "it has a pid namespace, which ends with its first process";
    if (leader === null || leader.pid === mainPid) return null;
    // What the launcher leaves above a command ends all that the command leaves behind.
    if (isAboveCommand(readProcess(leader.pid)?.name ?? ""))
      return readProcess(mainPid)?.parent === leader.pid ? null : "all of it ends with its first process";
    const tree = this.tree();
    const main = tree.find(({ pid }) => pid === mainPid);
    if (!main) return "that is no process of it";
    if (!tree.some(({ pid }) => pid === senderPid)) return "who says so has ended";
    this.#unwatch();
    this.leader = { pid: main.pid, startTime: main.startTime, bootId: main.bootId };
    this.#watch(this.leader);
    return null;
  }

  /** Waits for the end of what this program has not started itself. Its exit code is told only where it is a child all the same. */
  #watch(leader: Leader): void {
    this.#unwatch = watchForeign(leader, () => {
      const { rc, signal } = endOf(leader.pid) ?? { rc: null, signal: null };
      this.#exited(leader.pid, rc, signal);
    });
  }

  /** Nothing of it where the child is another's, or one that it was let go of. */
  childExited(child: Bun.Subprocess): void {
    if (this.#child !== child) return;
    // It may have left the service to another process.
    this.#host.hear(this.spec.packId);
    this.#child = null;
    this.#exit?.resolve();
    this.#exit = null;
    if (this.leader?.pid !== child.pid) return void this.#host.world.ended?.(this.spec.packId, child.pid);
    const { signalCode } = child;
    this.#exited(child.pid, child.exitCode, signalCode === null ? null : String(signalCode));
  }

  #exited(pid: number, rc: number | null, signal: string | null): void {
    this.#unwatch = nothing;
    const { packId } = this.spec;
    const place = this.#group;
    const group = place === undefined ? null : memoryKills(place);
    const known = this.#host.world.ended?.(packId, pid);
    const isOurs = this.#host.phaseOf(packId) === "killing";
    const isKnown = signal === "SIGKILL";
    // Of what another daemon has started, the code is its new parent's to see; the group tells all the same.
    const isUntold = rc === null && signal === null;
    const isOverLimit = known?.isOverLimit ?? false;
    const killed =
      (isKnown || isUntold) && !isOurs
        ? killReason({ isKnown, group, onMachine: isKnown ? this.#host.oom.look() : null, isOverLimit })
        : null;
    const why = known?.failure ?? killed;
    const isGone = this.tree().length === 0;
    if (isGone) this.leader = null;
    this.#host.tell(packId, { type: "exited", rc, signal, isGone, why });
  }

  /** All its living processes. */
  tree(): ProcessIdentity[] {
    const { serviceId, leader } = this;
    if (serviceId === "") return [];
    const mark = { serviceId, leader: leader?.pid ?? null, controlGroup: this.#group };
    const { isSubreaper, ownLeaders } = this.#host;
    return this.#isOwn && isSubreaper ? findOwnTree(mark, ownLeaders()) : findTree(mark);
  }

  get #group(): string | undefined {
    return this.#host.world.groupOf?.(this.spec.packId);
  }

  /** Ends all of it, by the stop signal or by SIGKILL as the phase says, until nothing is left. */
  async end(): Promise<void> {
    const { packId } = this.spec;
    if (this.#host.phaseOf(packId) === "killing") this.#ending?.abort();
    if (this.#isEnding) return;
    this.#isEnding = true;
    await this.#beforeStop();
    const seen = new Map<string, ProcessIdentity>();
    for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_LOOK_MS)) {
      const phase = this.#host.phaseOf(packId);
      if (phase !== "stopping" && phase !== "killing") break;
      const tree = this.tree();
      // One that is on its way out has no environment any more by which it would be found, but may still hold a port.
      const isGone = tree.length === 0 && ![...seen.values()].some((identity) => isAlive(identity));
      if (isGone && !this.#child) {
        this.leader = null;
        // Its end may not have been told yet: that must not be taken for the end of what is started next.
        this.#unwatch();
        this.#unwatch = nothing;
        this.#isEnding = false;
        return this.#host.tell(packId, { type: "gone" });
      }
      // The stop signal is for those who were there: what a handler starts to clean up with has to come to its end.
      const reached = phase === "killing" ? tree : seen.size === 0 ? signalled(tree) : [];
      for (const identity of tree) seen.set(`${identity.pid}.${identity.startTime}`, identity);
      const group = phase === "killing" ? this.#group : undefined;
      if (group !== undefined) killGroup(group);
      for (const identity of reached) this.#endProcess(identity, phase);
      // The exit of a child comes by itself. Its own promise may be there before `childExited` is called.
      this.#exit = this.#child && Promise.withResolvers<void>();
      await (this.#exit ? Promise.race([this.#exit.promise, Bun.sleep(pauseMs)]) : Bun.sleep(pauseMs));
    }
    this.#isEnding = false;
  }

  async #beforeStop(): Promise<void> {
    const { packId } = this.spec;
    if (!this.spec.beforeStop || !this.leader || this.#host.phaseOf(packId) !== "stopping") return;
    this.#ending = new AbortController();
    try {
      await this.spec.beforeStop(this.#ending.signal);
    } catch (thrown) {
      this.#host.world.warn(
        `what comes before the stop of "${packId}" failed: ${toAuroraError(thrown).message}`,
      );
    }
    this.#ending = null;
  }

  #endProcess(identity: ProcessIdentity, phase: "stopping" | "killing"): void {
    if (phase === "killing") return void send(identity, "SIGKILL");
    send(identity, this.spec.stopSignal);
    // A stopped process acts on a signal only when it goes on.
    send(identity, "SIGCONT");
  }

  /** Makes one health check. */
  async probe(): Promise<void> {
    const check = new AbortController();
    this.#check = check;
    const result = await this.#probeOnce(check.signal);
    if (this.#check !== check || check.signal.aborted) return;
    this.#check = null;
    this.#host.tell(this.spec.packId, { type: "probed", ...result });
  }

  async #probeOnce(signal: AbortSignal): Promise<{ healthy: boolean; output: string }> {
    try {
      return (await this.spec.probe?.(signal)) ?? { healthy: true, output: "" };
    } catch (thrown) {
      return { healthy: false, output: toAuroraError(thrown).message };
    }
  }

  cancelProbe(): void {
    this.#check?.abort();
    this.#check = null;
  }

  /** As `Fleet.gather`. */
  gather(): void {
    this.leader = this.leader && { ...this.leader };
  }

  /** Lets go of it: its processes live on. */
  release(): void {
    this.#unwatch();
    this.cancelProbe();
    this.#ending?.abort();
    this.#child?.unref();
    this.#child = null;
  }

  toRecord(state: ServiceState): ServiceRecord {
    const { spec, serviceId, leader, sinceMs } = this;
    return {
      packId: spec.packId,
      generation: spec.generation,
      serviceId,
      leader: leader && { pid: leader.pid, startTime: leader.startTime },
      bootId: this.#host.bootId,
      state,
      since: new Date(sinceMs).toISOString(),
      statusText: this.statusText,
      logDirectory: spec.logDirectory,
    };
  }
}

/** Whether a process is the command of a pid namespace: the init above it has the number 1 in there. */
function isFirstInside(pid: number): boolean {
  const parent = readProcess(pid)?.parent;
  return parent !== undefined && innerProcessId(parent) === 1;
}

/**
 * A message is taken from a process of the service that it speaks for. Of one that has ended since, nobody can tell whose it
 * was; but it knew the name of the socket, which only that service was told.
 *
 * @param pid 0 where the kernel does not say
 * @param instances all of them, this one too
 */
export function maySpeakFor(
  instance: ServiceInstance,
  pid: number,
  instances: readonly ServiceInstance[],
): boolean {
  const sender = instanceOf(pid, instances);
  return sender ? sender === instance : pid !== 0 && identify(pid) === undefined;
}

/** The service that a living process belongs to, by its first process or by its mark; undefined for none of them. */
function instanceOf(pid: number, instances: readonly ServiceInstance[]): ServiceInstance | undefined {
  const led = instances.find(({ leader }) => leader?.pid === pid && isAlive(leader));
  if (led) return led;
  const serviceId = serviceIdOf(pid);
  return serviceId === null ? undefined : instances.find((other) => other.serviceId === serviceId);
}
