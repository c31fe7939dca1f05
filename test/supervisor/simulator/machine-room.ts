import { Violation } from "./rules.ts";

/** One process of the simulated machine. */
export type Process = {
  packId: string;
  /** What stands in its environment. */
  mark: string;
  isLeader: boolean;
  isAlive: boolean;
  ignoresStop: boolean;
  /** It is in the kernel, and SIGKILL works only when it comes out. */
  isStuck: boolean;
  /** It has got a signal that it will die of. */
  isDying: boolean;
  exit: { rc: number | null; signal: string | null };
};

/** The kernel's side: who runs. It knows the truth, which the daemon only hears of. */
export class MachineRoom {
  #processes = new Set<Process>();
  readonly #byPack = new Map<string, Process[]>();

  start(packId: string, mark: string, isLeader: boolean, random: () => number): Process {
    if (isLeader && this.of(packId).length > 0)
      throw new Violation(`two instances: "${packId}" is started while something of it runs`);
    const process: Process = {
      packId,
      mark,
      isLeader,
      isAlive: true,
      ignoresStop: random() < 0.3,
      isStuck: random() < 0.1,
      isDying: false,
      exit: { rc: 0, signal: null },
    };
    this.#processes.add(process);
    this.#byPack.set(packId, [...this.of(packId), process]);
    return process;
  }

  of(packId: string): readonly Process[] {
    return this.#byPack.get(packId) ?? [];
  }

  all(): Iterable<Process> {
    return this.#processes;
  }

  signal(process: Process, signal: "stop" | "SIGKILL"): void {
    if (process.isDying || (signal === "stop" && process.ignoresStop)) return;
    if (signal === "SIGKILL" && process.isStuck) return;
    process.isDying = true;
    process.exit = signal === "stop" ? { rc: 0, signal: null } : { rc: null, signal: "SIGKILL" };
  }

  end(process: Process): void {
    process.isAlive = false;
    this.#processes.delete(process);
    this.#byPack.set(
      process.packId,
      this.of(process.packId).filter((other) => other !== process),
    );
  }

  /** Whoever has to die does. */
  settle(): void {
    for (const process of this.#processes) if (process.isDying) this.end(process);
  }

  reboot(): void {
    for (const process of this.#processes) process.isAlive = false;
    this.#processes.clear();
    this.#byPack.clear();
  }
}
