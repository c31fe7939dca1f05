import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openLibc } from "../../../src/system/libc.ts";
import type { Contender, Service } from "./contenders.ts";
import { treeOf } from "./processes.ts";

const START_LIMIT_MS = 90_000;
/** Where something else is measured than a moment, the harness keeps out of the way. */
const MEANWHILE_MS = 10;
/** So long it waits at once, in milliseconds: nothing else would tell it that its time is over. */
const WAIT_MS = 1000;
const POLLIN = 1;
const libc = openLibc({ poll: { args: ["ptr", "u64", "i32"], returns: "i32" } });

/** Each service says on a pipe that it runs: that is when it counts as started. */
export class Arena {
  readonly directory: string;
  readonly pipe: string;
  readonly #descriptor: number;
  readonly #buffer = Buffer.alloc(65_536);
  #rest = "";
  /** The newest process of each service. */
  readonly pids = new Map<string, number>();
  #child: Bun.Subprocess | undefined;
  #status: string[] = [];
  #env: Record<string, string> = {};

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), "aurora-arena-"));
    this.pipe = `${this.directory}/pipe`;
    Bun.spawnSync(["mkfifo", this.pipe]);
    this.#descriptor = openSync(this.pipe, constants.O_RDWR | constants.O_NONBLOCK);
  }

  service(name: string, then = "exec sleep infinity"): Service {
    return { name, argv: ["/bin/sh", "-c", `echo ${name} $$ > ${this.pipe}; ${then}`] };
  }

  /**
   * Starts a supervisor; returns how long it took until all services ran, or undefined where that took too long.
   *
   * @param meanwhile called again and again until then
   */
  start(contender: Contender, services: readonly Service[], meanwhile?: () => void): number | undefined {
    const home = `${this.directory}/home`;
    mkdirSync(home);
    const { start, status, env = {} } = contender.prepare(home, services);
    this.#status = status;
    this.#env = {
      PATH: process.env["PATH"] ?? "",
      HOME: home,
      PYTHONPATH: process.env["PYTHONPATH"] ?? "",
      LD_LIBRARY_PATH: process.env["LD_LIBRARY_PATH"] ?? "",
      ...env,
    };
    const started = performance.now();
    this.#child = Bun.spawn(start, {
      env: this.#env,
      cwd: home,
      stdout: "ignore",
      stderr: "ignore",
      stdin: "ignore",
      detached: true,
    });
    const isUp = this.waitFor(() => this.pids.size >= services.length, START_LIMIT_MS, meanwhile);
    return isUp ? performance.now() - started : undefined;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get home(): string {
    return `${this.directory}/home`;
  }

  /**
   * Sleeps in the kernel until a service says something, so that neither the harness's timer is measured nor the processor
   * time that a harness without one would take from who is measured.
   */
  waitFor(isTrue: () => boolean, limitMs: number, meanwhile?: () => void): boolean {
    const deadline = performance.now() + limitMs;
    while (!isTrue()) {
      if (performance.now() > deadline) return false;
      this.#await(meanwhile ? MEANWHILE_MS : WAIT_MS);
      this.#read();
      meanwhile?.();
    }
    return true;
  }

  #await(limitMs: number): void {
    const { poll } = libc;
    // struct pollfd: the descriptor, and in the next four bytes what is waited for and what has come.
    poll(new Int32Array([this.#descriptor, POLLIN]), 1, limitMs);
  }

  #read(): void {
    let length: number;
    try {
      length = readSync(this.#descriptor, this.#buffer);
    } catch {
      return; // EAGAIN: nobody has said anything yet.
    }
    const lines = (this.#rest + this.#buffer.toString("latin1", 0, length)).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const [name = "", pid] = line.split(" ");
      this.pids.set(name, Number(pid));
    }
  }

  /** From kill -9 until the successor runs, in milliseconds. */
  restart(name: string): number | undefined {
    const before = this.pids.get(name) as number;
    const killed = performance.now();
    process.kill(before, "SIGKILL");
    return this.waitFor(() => this.pids.get(name) !== before, 10_000)
      ? performance.now() - killed
      : undefined;
  }

  status(): number {
    const started = performance.now();
    Bun.spawnSync(this.#status, { env: this.#env, stdout: "ignore", stderr: "ignore" });
    return performance.now() - started;
  }

  async end(): Promise<void> {
    const own = this.#child;
    if (own) {
      const tree = treeOf(own.pid);
      own.kill("SIGTERM");
      await Promise.race([own.exited, Bun.sleep(2000)]);
      // Whatever the supervisor has left behind; only processes that began below it.
      for (const pid of [...tree, ...this.pids.values()]) if (isOurs(pid, this.directory)) kill(pid);
      await own.exited;
    }
    closeSync(this.#descriptor);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    return; // It is gone.
  }
}

function isOurs(pid: number, directory: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").includes(directory);
  } catch {
    return false;
  }
}
