import { type JournalEntry, type RunnerAction } from "../../../src/lifecycle/runner.ts";
import { type TransactionPlan } from "../../../src/lifecycle/steps.ts";
import { randomFrom } from "../../support/random.ts";
import { checkEnd, checkMoment, checkStep, type Facts, Violation } from "./invariants.ts";
import { type Work } from "./perform-model.ts";
import { randomPacks } from "./random-packs.ts";
import { type Rules } from "./rules.ts";
import { letProcessesWrite, passTime, reboot, type World, worldBefore } from "./world.ts";

/** A history that needs more changes than this does not come to an end. */
const MAX_CHANGES = 5000;
const MAX_CRASHES = 6;
const CONFIRM_WITHIN_MS = 60_000;

export type HistoryEnd = {
  state: World["registry"]["state"];
  crashes: number;
  reboots: number;
  changes: number;
};

/**
 * One transaction on the model from its start to its end, with crashes and faults as the seed says: each command is killed at
 * some change or comes to its end, and the next one recovers.
 *
 * @throws {Violation} naming the invariant that does not hold
 */
export function runHistory(seed: number, rules: Rules): HistoryEnd {
  const random = randomFrom(seed);
  const packs = randomPacks(random);
  const hasDeadline = random() < 0.3;
  const world = worldBefore(packs, hasDeadline ? CONFIRM_WITHIN_MS : null);
  const plan: TransactionPlan = {
    steps: rules.compileSteps(packs),
    packs: packs.map(({ pack }) => pack),
    purge: false,
  };
  const facts: Facts = { hasUndoFailed: false, wasRebooted: false, writtenByOld: new Map() };
  const chance = {
    crash: random() < 0.7 ? random() * 0.15 : 0,
    fault: random() < 0.7 ? random() * 0.08 : 0,
    undoFault: random() < 0.2 ? random() * 0.05 : 0,
    stop: random() < 0.1 ? 0.1 : 0,
  };
  const decisions: { journal: JournalEntry[]; action: RunnerAction }[] = [];
  let crashes = 0;
  let reboots = 0;
  let changes = 0;
  let hasRecovered = false;

  const note = (step: number, status: JournalEntry["status"]) => {
    world.registry.journal.push({ step, status });
  };

  function* attempt(work: Work, faultChance: number): Generator<void, boolean> {
    for (;;) {
      if (random() < faultChance) {
        work.return();
        return false;
      }
      if (work.next().done) return true;
      yield;
    }
  }

  function* drive(): Work {
    for (;;) {
      const journal = world.registry.journal.map((entry) => ({ ...entry }));
      const action = rules.nextAction(plan.steps, journal);
      decisions.push({ journal, action });
      if (action.type === "commit") {
        rules.commit(world, plan);
        yield;
        if (world.registry.finished) yield* rules.cleanUp(world, plan);
        return;
      }
      if (action.type === "finish-rolled-back" || action.type === "finish-stuck") {
        rules.finishBack(world, plan, action.type === "finish-stuck" ? "stuck" : "rolled-back");
        yield;
        if (world.registry.cleanup) yield* rules.cleanUp(world, plan);
        return;
      }
      const step = plan.steps[action.step];
      if (!step) throw new Violation(`the runner names step ${action.step}, which there is not`);
      if (action.type === "undo") {
        note(action.step, "undo-begin");
        yield;
        const isDone = yield* attempt(rules.undo(world, plan, step), chance.undoFault);
        if (!isDone && random() < 0.5) {
          // The machine has stopped it, not the pack: the command ends, and the next one goes on.
          note(action.step, "undo-put-off");
          return;
        }
        if (!isDone) facts.hasUndoFailed = true;
        note(action.step, isDone ? "undo-done" : "undo-failed");
      } else if (random() < chance.stop && !hasRecovered) note(-1, "abort");
      else {
        if (hasRecovered) throw new Violation(`it goes forward over a crash: ${step.kind} ${step.pack_id}`);
        checkStep(step.kind, step.pack_id, world, plan, facts);
        note(action.step, "begin");
        yield;
        const isDone = yield* attempt(rules.perform(world, plan, step), chance.fault);
        note(action.step, isDone ? "done" : "failed");
      }
      yield;
    }
  }

  function* recover(): Work {
    hasRecovered = true;
    for (const name of world.scratch) if (name.startsWith("live/")) world.scratch.delete(name);
    const { registry, clock } = world;
    if (registry.finished && !registry.cleanup) return;
    const row = {
      state: registry.state,
      finished_at: registry.finished ? "" : null,
      confirm: registry.confirm,
    };
    const settlement = rules.settlementOf(row, registry.journal, clock, new Date(clock.wallMs));
    if (settlement === "wait") return;
    if (settlement === "clean-up") return yield* rules.cleanUp(world, plan);
    if (settlement === "abort" && rules.notesAbort) {
      note(-1, "abort");
      yield;
    }
    yield* drive();
  }

  const change = (apply: () => boolean): boolean => {
    if (++changes > MAX_CHANGES) throw new Violation("it does not come to an end");
    const before = [...world.processes];
    const isOver = apply();
    checkMoment(before, world, packs, plan, facts);
    letProcessesWrite(world, plan);
    for (const { pack_id, digest } of world.processes) {
      const data = world.data.get(pack_id);
      if (digest.endsWith("-old") && data && data !== "absent") facts.writtenByOld.set(pack_id, data.byOld);
    }
    return isOver;
  };
  const crash = () => {
    crashes++;
    if (random() >= 0.3) return;
    reboots++;
    facts.wasRebooted = true;
    reboot(world, (random() - 0.5) * 4 * CONFIRM_WITHIN_MS);
  };

  let recovery: Work | undefined;
  let work = drive();
  for (;;) {
    const isOver = change(() => work.next().done === true);
    if (!isOver) {
      if (crashes >= MAX_CRASHES || random() >= chance.crash) continue;
      crash();
      work = recover();
      continue;
    }
    if (world.registry.finished && !world.registry.cleanup) break;
    if (isWaiting(world)) {
      checkEnd(world, packs, facts);
      if (work === recovery && isPastDeadline(world))
        throw new Violation("it is still unconfirmed after its deadline");
      if (random() < 0.4) {
        // Every command settles before it does its own work: what is overdue cannot be confirmed any more.
        for (const settling = recover(); !change(() => settling.next().done === true););
        if (world.registry.finished && !world.registry.cleanup) break;
        if (!isWaiting(world)) {
          work = recovery = recover();
          continue;
        }
        Object.assign(world.registry, { state: "committed", finished: true, cleanup: true, confirm: null });
        work = recover();
        continue;
      }
      passTime(world, random() * CONFIRM_WITHIN_MS);
      if (random() < 0.2 && crashes < MAX_CRASHES) crash();
    }
    work = recovery = recover();
  }
  checkEnd(world, packs, facts);
  for (const { journal, action } of decisions)
    if (!Bun.deepEquals(rules.nextAction(plan.steps, journal), action))
      throw new Violation("the same journal leads to another action");
  return { state: world.registry.state, crashes, reboots, changes };
}

/** Live, and not on its way back. */
function isWaiting({ registry }: World): boolean {
  const isGoingBack = registry.journal.some(({ status }) => status === "failed" || status === "abort");
  return registry.state === "unconfirmed" && !registry.finished && !isGoingBack;
}

/** By its own reckoning, and only where no reboot makes it a matter of opinion. */
function isPastDeadline({ registry, clock }: World): boolean {
  const { started } = JSON.parse(registry.confirm ?? "{}") as { started?: World["clock"] };
  return started?.bootId === clock.bootId && clock.uptimeMs - started.uptimeMs >= CONFIRM_WITHIN_MS;
}
