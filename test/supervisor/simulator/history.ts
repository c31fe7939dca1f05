import {
  hasProcess,
  initialState,
  isAtRest,
  type ServiceState,
} from "../../../src/supervisor/service-state.ts";
import { randomFrom } from "../../support/random.ts";
import { DaemonModel, type Disk, type Surroundings } from "./daemon-model.ts";
import { Invariants } from "./invariants.ts";
import { MachineRoom } from "./machine-room.ts";
import { type Rules, Violation } from "./rules.ts";
import { randomServices, type SimulatedService } from "./services.ts";

export type Counts = { starts: number; stops: number; exits: number; deaths: number; reboots: number };

/** Time moves on by one of these, in milliseconds: the last ones are suspends of the machine. */
const STRIDES_MS = [0, 1, 50, 500, 1000, 5000, 12_000, 100_000];
/** At the end nothing goes wrong any more, and after so many rounds all has to be as it is wanted. */
const SETTLING_ROUNDS = 400;
/** When all goes well, no phase that leads to another one takes longer than this, the longest time limit. */
const LONGEST_PHASE_MS = 31_000;

/** One life of a machine with services on it, from a seed. Throws a Violation where an invariant does not hold. */
export function runHistory(seed: number, rules: Rules, size?: { services: number; steps: number }): Counts {
  const random = randomFrom(seed);
  const count = size?.services ?? 1 + Math.floor(random() * 5);
  const history = new History(randomServices(random, count), random, rules);
  const steps = size?.steps ?? 20 + Math.floor(random() * 60);
  for (let step = 0; step < steps; step++) history.step();
  history.settle();
  return history.counts;
}

class History {
  readonly counts: Counts = { starts: 0, stops: 0, exits: 0, deaths: 0, reboots: 0 };
  readonly #services: readonly SimulatedService[];
  readonly #random: () => number;
  readonly #rules: Rules;
  readonly #machine = new MachineRoom();
  readonly #disk: Disk = { wanted: new Map(), records: new Map() };
  readonly #invariants: Invariants;
  readonly #around: Surroundings;
  #nowMs = 1000;
  #boot = 1;
  #daemon: DaemonModel;

  constructor(services: readonly SimulatedService[], random: () => number, rules: Rules) {
    this.#services = services;
    this.#random = random;
    this.#rules = rules;
    this.#invariants = new Invariants(services);
    this.#around = {
      services,
      disk: this.#disk,
      machine: this.#machine,
      invariants: this.#invariants,
      random,
      nowMs: () => this.#nowMs,
      boot: () => this.#boot,
    };
    this.#daemon = this.#newDaemon();
  }

  step(): void {
    const choice = this.#random();
    const service = this.#services[Math.floor(this.#random() * this.#services.length)] as SimulatedService;
    if (choice < 0.25) this.#advance(STRIDES_MS[Math.floor(this.#random() * STRIDES_MS.length)] as number);
    else if (choice < 0.45) this.#command(service.packId);
    else if (choice < 0.65) this.#happens(service.packId);
    else if (choice < 0.85) this.#speaks(service.packId);
    else if (choice < 0.9) this.#daemonDies();
    else if (choice < 0.905) this.#reboot();
    else this.#machine.settle();
    if (this.#daemon.isDead && this.#random() < 0.5) this.#daemon = this.#newDaemon();
    if (this.#random() < 0.8) this.#daemon.look();
    if (this.#random() < 0.8 && !this.#daemon.isDead) this.#daemon.record();
    this.#check();
  }

  /** From here on all goes well; then what is wanted runs, and what is not wanted does not. */
  settle(): void {
    if (this.#daemon.isDead) this.#daemon = this.#newDaemon();
    this.#daemon.deathRate = 0;
    for (let round = 0; round < SETTLING_ROUNDS && !this.#isSettled(); round++) {
      for (const process of this.#machine.all()) process.isStuck = false;
      this.#machine.settle();
      this.#daemon.look();
      for (const { packId } of this.#services) {
        if (this.#phaseOf(packId) === "starting") this.#daemon.tell(packId, { type: "ready" });
        if (this.#daemon.isProbing(packId)) this.#probed(packId, true);
        this.#daemon.tell(packId, { type: "alive" });
      }
      this.#advance(200);
      this.#check();
    }
    for (const { packId } of this.#services) this.#checkEnd(packId);
  }

  #isSettled(): boolean {
    return this.#services.every(({ packId }) => {
      const phase = this.#phaseOf(packId);
      return phase === "running" || isAtRest(this.#stateOf(packId));
    });
  }

  #checkEnd(packId: string): void {
    const state = this.#stateOf(packId);
    const isWanted = this.#disk.wanted.get(packId) === true;
    if (!isWanted && (!isAtRest(state) || this.#machine.of(packId).length > 0))
      throw new Violation(`"${packId}" is ${state.phase} though nobody wants it`);
    if (!isWanted) return;
    if (state.phase === "stopped") throw new Violation(`"${packId}" is wanted and does not run`);
    const isWaiting = state.phase === "waiting" && this.#daemon.fleet.missing(packId).length > 0;
    const isFine = state.phase === "running" || state.phase === "backoff" || isAtRest(state) || isWaiting;
    if (!isFine && this.#nowMs - state.sinceMs > LONGEST_PHASE_MS)
      throw new Violation(`stuck: "${packId}" stays ${state.phase}`);
  }

  #newDaemon(): DaemonModel {
    const daemon = new DaemonModel(this.#around, this.#rules);
    daemon.deathRate = 0.02;
    return daemon;
  }

  #advance(ms: number): void {
    this.#nowMs += ms;
    this.#daemon.due();
    if (this.#daemon.isDead) return;
    for (const { packId } of this.#services)
      this.#invariants.checkTimes(packId, this.#stateOf(packId), this.#nowMs);
  }

  /** The operator: with a daemon by asking it, without one by the registry alone. */
  #command(packId: string): void {
    const choice = this.#random();
    if (choice < 0.45) this.#startOne(packId);
    else if (choice < 0.75) this.#stopOne(packId);
    else if (choice < 0.9) this.#restart(packId);
    else this.#stopAll();
  }

  #startOne(packId: string): void {
    this.counts.starts++;
    this.#disk.wanted.set(packId, true);
    if (this.#daemon.isDead) return this.#invariants.operatorStarts(packId);
    const before = this.#stateOf(packId);
    this.#invariants.operatorStarts(packId);
    const startsDue = this.#invariants.startsDue(packId);
    this.#daemon.tell(packId, { type: "start" });
    if (!this.#daemon.isDead) this.#invariants.checkStart(packId, before, this.#stateOf(packId), startsDue);
  }

  #stopOne(packId: string): void {
    this.counts.stops++;
    this.#disk.wanted.set(packId, false);
    if (!this.#daemon.isDead) return this.#daemon.tell(packId, { type: "stop" });
    for (const process of this.#machine.of(packId)) this.#machine.end(process);
  }

  #restart(packId: string): void {
    if (this.#daemon.isDead) return;
    if (this.#disk.wanted.get(packId) !== true) return;
    this.#invariants.operatorStarts(packId);
    this.#daemon.tell(packId, { type: "restart" });
  }

  #stopAll(): void {
    if (this.#daemon.isDead) return;
    for (const { packId } of this.#services) this.#disk.wanted.set(packId, false);
    this.#daemon.stopInOrder(this.#services.map(({ packId }) => packId));
  }

  /** A process ends, forks, or comes out of the kernel. */
  #happens(packId: string): void {
    const processes = this.#machine.of(packId);
    const process = processes[Math.floor(this.#random() * processes.length)];
    if (!process) return;
    const choice = this.#random();
    if (choice < 0.5) {
      this.counts.exits++;
      if (!process.isDying)
        process.exit =
          this.#random() < 0.5
            ? { rc: Math.floor(this.#random() * 3), signal: null }
            : { rc: null, signal: "SIGSEGV" };
      this.#machine.end(process);
    } else if (choice < 0.8) this.#machine.start(packId, process.mark, false, this.#random);
    else process.isStuck = false;
  }

  /** A service says something, or a check of it comes to an end. */
  #speaks(packId: string): void {
    const choice = this.#random();
    if (this.#daemon.isDead) return;
    if (this.#daemon.isProbing(packId) && choice < 0.7) return this.#probed(packId, this.#random() < 0.7);
    if (!hasProcess(this.#stateOf(packId))) return;
    if (choice < 0.8) this.#daemon.tell(packId, { type: "ready" });
    else if (choice < 0.88) this.#daemon.tell(packId, { type: "alive" });
    else if (choice < 0.92) this.#daemon.tell(packId, { type: "leaving" });
    else if (choice < 0.95) this.#daemon.tell(packId, { type: "trigger" });
    else if (choice < 0.98)
      this.#daemon.tell(packId, { type: "watchdog", ms: this.#random() < 0.5 ? 0 : 1000 });
    else this.#daemon.tell(packId, { type: "extended", byMs: 3000 });
  }

  #probed(packId: string, healthy: boolean): void {
    if (healthy) this.#invariants.checkPassed(packId);
    this.#daemon.probed(packId, healthy);
  }

  #daemonDies(): void {
    this.counts.deaths++;
    this.#daemon.isDead = true;
  }

  #reboot(): void {
    this.counts.reboots++;
    this.#machine.reboot();
    this.#boot++;
    this.#nowMs = 1000;
    this.#invariants.rebooted();
    this.#daemon.isDead = true;
  }

  #check(): void {
    if (!this.#daemon.isDead) this.#daemon.check();
  }

  #stateOf(packId: string): ServiceState {
    return this.#daemon.fleet.stateOf(packId) ?? initialState;
  }

  #phaseOf(packId: string): ServiceState["phase"] {
    return this.#stateOf(packId).phase;
  }
}
