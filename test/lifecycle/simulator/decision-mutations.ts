import { type JournalEntry, nextAction } from "../../../src/lifecycle/runner.ts";
import { settlementOf } from "../../../src/lifecycle/settlement.ts";
import { compileSteps, type Step, type StepKind } from "../../../src/lifecycle/steps.ts";
import { type Mutation } from "./rules.ts";

const withStatus = (journal: readonly JournalEntry[], drop: (entry: JournalEntry) => boolean) =>
  journal.filter((entry) => !drop(entry));

const moved = (steps: Step[], kind: StepKind, isBefore: StepKind): Step[] => {
  const taken = steps.filter((step) => step.kind === kind);
  const rest = steps.filter((step) => step.kind !== kind);
  const index = rest.findIndex((step) => step.kind === isBefore);
  return index === -1 ? steps : rest.toSpliced(index, 0, ...taken);
};

/** Mistakes in what decides: the order of the steps, the runner, the deadline. */
export const decisionMutations: readonly Mutation[] = [
  // The order of the steps.
  [
    "switch before stop",
    /switch of .* while its service runs/,
    { compileSteps: (needs) => moved(compileSteps(needs), "switch", "stop") },
  ],
  [
    "snapshot before stop",
    /snapshot of .* while its service runs/,
    { compileSteps: (needs) => moved(compileSteps(needs), "snapshot", "stop") },
  ],
  [
    "restore before snapshot",
    /that of another generation|data of another generation|is lost/,
    { compileSteps: (needs) => moved(compileSteps(needs), "restore", "snapshot") },
  ],
  [
    "restore after start",
    /data of another generation/,
    { compileSteps: (needs) => moved(compileSteps(needs), "restore", "health") },
  ],
  [
    "start before switch",
    /starts from/,
    { compileSteps: (needs) => moved(compileSteps(needs), "start", "switch") },
  ],
  [
    "start before stop",
    /two services|starts from/,
    { compileSteps: (needs) => moved(compileSteps(needs), "start", "stop") },
  ],
  [
    "install after stop",
    /stopped while the install script runs/,
    { compileSteps: (needs) => moved(compileSteps(needs), "install", "switch") },
  ],
  [
    "stop in the order of dependencies",
    /stops while/,
    {
      compileSteps: (needs) => {
        const steps = compileSteps(needs);
        const stops = steps.filter(({ kind }) => kind === "stop").toReversed();
        return steps.map((step) => (step.kind === "stop" ? (stops.shift() as Step) : step));
      },
    },
  ],
  [
    "start all, then check all",
    /before .* is healthy/,
    {
      compileSteps: (needs) => {
        const steps = compileSteps(needs);
        return [
          ...steps.filter(({ kind }) => kind !== "health"),
          ...steps.filter(({ kind }) => kind === "health"),
        ];
      },
    },
  ],
  [
    "start in reverse",
    /before .* is healthy/,
    {
      compileSteps: (needs) => {
        const steps = compileSteps(needs);
        const tail = steps.filter(({ kind }) => kind === "start" || kind === "health");
        return [
          ...steps.slice(0, steps.length - tail.length),
          ...tail
            .filter(({ kind }) => kind === "start")
            .toReversed()
            .flatMap((step): Step[] => [step, { ...step, kind: "health" }]),
        ];
      },
    },
  ],
  [
    "no stop on an upgrade",
    /while its service runs/,
    { compileSteps: (needs) => compileSteps(needs).filter(({ kind }) => kind !== "stop") },
  ],
  [
    "a pack is not switched",
    /and live\/|and live is/,
    {
      compileSteps: (needs) => {
        const steps = compileSteps(needs);
        const last = steps.findLastIndex(({ kind }) => kind === "switch");
        return steps.filter((_, index) => index !== last || needs.length < 2);
      },
    },
  ],

  // The runner.
  ["goes forward over a crash", /forward over a crash/, { notesAbort: false }],
  [
    "commits before the last step",
    /and live\/|does not run/,
    {
      nextAction: (steps, journal) => {
        const action = nextAction(steps, journal);
        return action.type === "do" && action.step === steps.length - 1 ? { type: "commit" } : action;
      },
    },
  ],
  [
    "commits after a failure",
    /neither|does not run|and live\/|runs and should not|forward/,
    {
      nextAction: (steps, journal) =>
        nextAction(
          steps,
          withStatus(journal, ({ status }) => status === "failed"),
        ),
    },
  ],
  [
    "undoes in the order it did",
    /while|starts from|two services|does not run|starts before|data of another generation|without its data/,
    {
      nextAction(steps, journal) {
        const action = nextAction(steps, journal);
        if (action.type !== "undo") return action;
        const isOpen = (index: number) =>
          journal.some(({ step, status }) => step === index && status === "begin") &&
          !journal.some(
            ({ step, status }) => step === index && (status === "undo-done" || status === "undo-failed"),
          );
        return { type: "undo", step: steps.findIndex((_, index) => isOpen(index)) };
      },
    },
  ],
  [
    "a step without an end is not undone",
    /and live\/|runs and should not|does not run|not wanted|leftovers|lacks|registry says/,
    {
      nextAction: (steps, journal) =>
        nextAction(
          steps,
          withStatus(
            journal,
            (entry) =>
              entry.status === "begin" &&
              !journal.some(({ step, status }) => step === entry.step && status === "done"),
          ),
        ),
    },
  ],
  [
    "a failed step is not undone",
    /and live\/|runs and should not|does not run|leftovers|registry says/,
    {
      nextAction: (steps, journal) =>
        nextAction(
          steps,
          withStatus(
            journal,
            (entry) =>
              entry.status === "begin" &&
              journal.some(({ step, status }) => step === entry.step && status === "failed"),
          ),
        ),
    },
  ],
  [
    "an undo that failed counts as done",
    /an undo has failed/,
    {
      nextAction: (steps, journal) =>
        nextAction(
          steps,
          journal.map((entry) =>
            entry.status === "undo-failed" ? { ...entry, status: "undo-done" } : entry,
          ),
        ),
    },
  ],
  [
    "an undo that failed does not end the way back of its pack",
    /without its data|starts from/,
    {
      nextAction(steps, journal) {
        const isStuck = journal.some(({ status }) => status === "undo-failed");
        const action = nextAction(
          steps,
          journal.map((entry) =>
            entry.status === "undo-failed" ? { ...entry, status: "undo-done" } : entry,
          ),
        );
        return isStuck && action.type === "finish-rolled-back" ? { type: "finish-stuck" } : action;
      },
    },
  ],
  [
    "an undo that crashes is tried for ever",
    /does not come to an end/,
    {
      nextAction: (steps, journal) =>
        nextAction(
          steps,
          withStatus(journal, ({ status }) => status.startsWith("undo")),
        ),
    },
  ],
  [
    "an undo that was put off counts as an attempt",
    /stuck although/,
    {
      nextAction: (steps, journal) =>
        nextAction(
          steps,
          withStatus(journal, ({ status }) => status === "undo-put-off"),
        ),
    },
  ],
  [
    "a crash in an undo counts as a failure",
    /stuck although/,
    {
      nextAction(steps, journal) {
        const last = journal.at(-1);
        const begun = journal.filter(
          ({ step, status }) => status === "undo-begin" && step === last?.step,
        ).length;
        return last?.status === "undo-begin" && begun > 0
          ? { type: "finish-stuck" }
          : nextAction(steps, journal);
      },
    },
  ],
  ["remembers beside the journal", /same journal leads/, { nextAction: forgetful() }],
  [
    "gives up as soon as something fails",
    /stuck although/,
    {
      nextAction: (steps, journal) =>
        journal.some(({ status }) => status === "failed")
          ? { type: "finish-stuck" }
          : nextAction(steps, journal),
    },
  ],

  // Confirm or revert.
  [
    "a reboot stops a rollback that has begun",
    /and live\/|does not run|runs and should not|neither|registry says|lacks|is not recorded|version that failed|leftovers|does not come/,
    {
      settlementOf(row, journal, boot, now) {
        const settlement = settlementOf(row, [], boot, now);
        return settlement === "abort" ? settlementOf(row, journal, boot, now) : settlement;
      },
    },
  ],
  [
    "nobody looks at the deadline",
    /after its deadline/,
    {
      settlementOf: (row, journal, boot, now) =>
        settlementOf(row.state === "unconfirmed" ? { ...row, confirm: null } : row, journal, boot, now),
    },
  ],
];

/** A runner that keeps in memory what it has undone, as if the journal were only for people. */
function forgetful(): typeof nextAction {
  const undone = new Set<string>();
  return (steps, journal) => {
    const key = `${JSON.stringify(steps)} ${JSON.stringify(journal)}`;
    const action = nextAction(steps, journal);
    if (action.type !== "undo" || !undone.has(key)) {
      undone.add(key);
      return action;
    }
    return { type: "finish-rolled-back" };
  };
}
