import { AuroraError } from "../errors.ts";
import { type Clock, type Timer } from "./clock.ts";
import { isThenable, StopFlag, type TaskContext, type TaskFunction } from "./task-context.ts";
import { TimingWheel, WheelNode } from "./wheel.ts";

/** Due tasks run for so long before timers and input/output get a turn. */
export const SLICE_MS = 5;

/** At most so many tasks run between two looks at the clock; after a task that took long, each is looked at. */
const MAX_STRIDE = 8;
const CHEAP_MS = 0.05;

/** So many nodes change their list in the wheel between two looks at the clock. */
const MOVES_PER_STEP = 256;

/** The longest delay that a timer takes: 2^31 - 1 ms. What is further away is armed again on the way. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The longest delay, in milliseconds: 2^45, about a thousand years. */
export const MAX_DELAY_MS = 2 ** 45;

const PENDING = 0;
const RUNNING = 1;
const DONE = 2;
const CANCELLED = 3;

/**
 * One function to run once. It is its own entry in the wheel and its own context, which is what makes a million of them
 * cheap: eight fields fill the 80 bytes that JavaScriptCore takes for seven, too.
 */
export class Task extends WheelNode implements TaskContext {
  status = PENDING;
  run: TaskFunction | null;
  loop: TimerLoop;
  stop: StopFlag | null = null;

  constructor(run: TaskFunction, loop: TimerLoop) {
    super();
    this.run = run;
    this.loop = loop;
  }

  get state(): "pending" | "running" | "done" | "cancelled" {
    return (["pending", "running", "done", "cancelled"] as const)[this.status] as "pending";
  }

  get signal(): AbortSignal {
    return (this.stop ??= new StopFlag()).signal;
  }

  get yield(): () => Promise<void> {
    return () => (this.stop ??= new StopFlag()).yield(this.loop.clock.soon);
  }

  get scheduledAt(): number {
    return Math.round(this.due + this.loop.wallOffsetMs);
  }

  get attempt(): number {
    return 1;
  }
}

/** A moment that the scheduler itself waits for. It is called inside a turn, and must not throw. */
export class Alarm extends WheelNode {
  readonly ring: () => void;

  constructor(ring: () => void) {
    super();
    this.ring = ring;
  }
}

export type LoopHooks = {
  /** Called at the start of each turn. */
  beforeTurn: () => void;
  /** Does one piece of other work that waits; returns false where there is none. */
  work: () => boolean;
  /** The loop wakes up after so long at the latest, Infinity for whenever something is due. */
  longestSleepMs: () => number;
  taskFailed: (error: unknown, scheduledAt: number) => void;
  /** Something ended, which a drain may have waited for. */
  settled: () => void;
};

/** The one timer, the wheel behind it, and the slices in which due tasks run. Deadlines are on the monotonic clock. */
export class TimerLoop {
  readonly clock: Clock;
  /** What is to be added to the monotonic clock to get the wall clock. The scheduler keeps it right. */
  wallOffsetMs: number;
  /** Plain tasks that have not begun. */
  pendingTasks = 0;
  /** Plain tasks that have returned a promise which has not settled. */
  readonly runningTasks = new Set<Task>();
  #wheel: TimingWheel<Task | Alarm>;
  #hooks: LoopHooks;
  #sliceMs: number;
  #timer: Timer | undefined;
  /** The tick for which the timer is set. */
  #armedTick = Infinity;
  #isTurning = false;
  #isTurnQueued = false;
  #isRef = true;
  #worksFirst = false;
  #isStopped = false;
  /** Tasks that are due later are dropped. */
  #lastTick = Infinity;
  /** Due tasks that are held back while everything is paused. */
  #held: Task[] | undefined;

  constructor(clock: Clock, sliceMs: number, hooks: LoopHooks) {
    this.clock = clock;
    this.wallOffsetMs = clock.wallMs() - clock.monotonicMs();
    this.#sliceMs = sliceMs;
    this.#hooks = hooks;
    this.#wheel = new TimingWheel(Math.floor(clock.monotonicMs()));
  }

  /** Plain tasks and alarms in the wheel. */
  get size(): number {
    return this.#wheel.size;
  }

  after(delayMs: number, run: TaskFunction): Task {
    if (!(delayMs >= 0 && delayMs <= MAX_DELAY_MS))
      throw new AuroraError("usage", `cannot schedule a task in ${delayMs} ms: a delay is from 0 to 2^45 ms`);
    const task = new Task(run, this);
    this.pendingTasks++;
    this.#insert(task, Math.ceil(this.clock.monotonicMs() + delayMs));
    return task;
  }

  /** @returns false where it has ended, or was cancelled before */
  cancel(task: Task): boolean {
    if (task.status === PENDING) {
      this.#wheel.remove(task);
      this.pendingTasks--;
      task.status = CANCELLED;
      task.run = null;
      return true;
    }
    if (task.status !== RUNNING) return false;
    (task.stop ??= new StopFlag()).raise(new AuroraError("interrupted", "the task was cancelled"));
    return true;
  }

  /** Rings at a time on the monotonic clock, or at once where that has passed. */
  setAlarm(alarm: Alarm, atMs: number): void {
    this.#wheel.remove(alarm);
    this.#insert(alarm, Math.ceil(atMs));
  }

  clearAlarm(alarm: Alarm): void {
    this.#wheel.remove(alarm);
  }

  /** Has a turn soon: something that waits may be able to run. */
  wake(): void {
    if (this.#isTurning || this.#isTurnQueued || this.#isStopped) return;
    this.#isTurnQueued = true;
    this.clock.soon(this.#turn);
  }

  /** Takes the longest sleep into account anew. */
  rearm(): void {
    if (!this.#isTurning && !this.#isTurnQueued) this.#arm();
  }

  setRef(isRef: boolean): void {
    this.#isRef = isRef;
    this.#timer?.setRef(isRef);
  }

  /** Keeps plain tasks that come due from running, until `releaseTasks`. */
  holdTasks(): void {
    this.#held ??= [];
  }

  releaseTasks(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const task of held) if (task.status === PENDING) this.#insert(task, task.due);
  }

  /** From now on, plain tasks that are not due yet are dropped instead of run. Alarms ring on. */
  close(): void {
    this.#lastTick = Math.floor(this.clock.monotonicMs());
    for (const task of this.#held ?? []) task.status = CANCELLED;
    this.#held = undefined;
    this.wake();
  }

  /** Plain tasks that were not due when the loop was closed, as far as they are not run. */
  get dropped(): number {
    return this.pendingTasks;
  }

  /** Never has a turn again. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Nothing is due: the last turn came to its end. */
  get isQuiet(): boolean {
    return !this.#isTurning && !this.#isTurnQueued;
  }

  #insert(node: Task | Alarm, tick: number): void {
    this.#wheel.insert(node, tick);
    if (tick < this.#armedTick && !this.#isTurning && !this.#isTurnQueued) this.#arm();
  }

  #arm(): void {
    if (this.#isStopped) return;
    const now = this.clock.monotonicMs();
    const tick = Math.min(this.#wheel.nextTick(), now + this.#hooks.longestSleepMs());
    // A timer that is set for an earlier time may stay: it costs one turn, and setting it anew would cost more.
    if (tick >= this.#armedTick) return;
    this.#timer?.cancel();
    this.#armedTick = tick;
    const delay = Math.max(1, Math.min(Math.ceil(tick - now), MAX_TIMER_MS));
    this.#timer = this.clock.setTimer(delay, this.#fire);
    if (!this.#isRef) this.#timer.setRef(false);
  }

  #fire = (): void => {
    this.#timer = undefined;
    this.#armedTick = Infinity;
    if (!this.#isTurnQueued) this.#turn();
  };

  #turn = (): void => {
    this.#isTurnQueued = false;
    if (this.#isTurning || this.#isStopped) return;
    this.#isTurning = true;
    const start = this.clock.monotonicMs();
    this.#hooks.beforeTurn();
    this.#worksFirst = !this.#worksFirst;
    // Which of the two comes first takes turns, so that neither starves while the other fills every slice.
    const isDone = (!this.#worksFirst || this.#work(start)) && this.#runDue(start) && this.#work(start);
    this.#isTurning = false;
    if (!isDone) return this.wake();
    this.#arm();
    this.#hooks.settled();
  };

  /** Does what waits until nothing is left (true) or the slice is over (false). */
  #work(start: number): boolean {
    while (this.#hooks.work()) if (this.clock.monotonicMs() - start >= this.#sliceMs) return false;
    return true;
  }

  /** Runs what is due until nothing is left (true) or the slice is over (false). */
  #runDue(start: number): boolean {
    let last = start;
    let stride = 1;
    let left = 1;
    for (;;) {
      let node = this.#wheel.take();
      if (node === undefined) {
        const found = this.#wheel.advance(Math.floor(this.clock.monotonicMs()), MOVES_PER_STEP);
        if (found === "idle") return true;
        node = this.#wheel.take();
      }
      if (node instanceof Task) this.#run(node);
      else if (node) node.ring();
      if (--left > 0) continue;
      const now = this.clock.monotonicMs();
      if (now - start >= this.#sliceMs) return false;
      stride = now - last < CHEAP_MS ? Math.min(stride * 2, MAX_STRIDE) : 1;
      last = now;
      left = stride;
    }
  }

  #run(task: Task): void {
    if (this.#held) {
      this.#held.push(task);
      return;
    }
    if (task.due > this.#lastTick) {
      task.status = CANCELLED;
      task.run = null;
      return;
    }
    const run = task.run as TaskFunction;
    this.pendingTasks--;
    task.status = RUNNING;
    task.run = null;
    let result: unknown;
    try {
      result = run(task);
    } catch (error) {
      this.#hooks.taskFailed(error, task.scheduledAt);
    }
    if (result === undefined || !isThenable(result)) {
      task.status = DONE;
      return;
    }
    this.runningTasks.add(task);
    result.then(
      () => this.#end(task),
      (error: unknown) => {
        this.#hooks.taskFailed(error, task.scheduledAt);
        this.#end(task);
      },
    );
  }

  #end(task: Task): void {
    this.runningTasks.delete(task);
    task.status = DONE;
    this.#hooks.settled();
  }
}
