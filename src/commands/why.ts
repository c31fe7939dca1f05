import { planOf } from "../lifecycle/confirmation.ts";
import { deniedPaths } from "../lifecycle/denied-access.ts";
import { packJobs } from "../lifecycle/jobs.ts";
import { damageOf } from "../lifecycle/live-pack.ts";
import { observeService } from "../lifecycle/observe-service.ts";
import { type StepDetail } from "../lifecycle/perform.ts";
import { unknownPack } from "../lifecycle/unknown-pack.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { recentEvents } from "../registry/events.ts";
import { generationsOf } from "../registry/generations.ts";
import { lastJobRuns } from "../registry/job-runs.ts";
import { parseColumn } from "../registry/json-column.ts";
import { livePack } from "../registry/packs.ts";
import { serviceOf, type ServiceRow } from "../registry/services.ts";
import {
  journalOf,
  type JournalRow,
  lastTransaction,
  type TransactionRow,
} from "../registry/transactions.ts";
import { newestTree } from "../registry/trees.ts";
import { bootId } from "../system/boot.ts";
import { formatDuration } from "../system/units.ts";
import { type Context, type Input, type Paint } from "./command.ts";
import { printedLines } from "./shared/printed-lines.ts";
import { sourceFor } from "./shared/sources.ts";
import { checkPackId, openForReading } from "./shared/workspace.ts";

type ShownStep = { name: string; rc: number | null; at: string; duration_ms: number; output_tail: string };

type Result = {
  pack_id: string;
  /** The pack's state, or that of its last transaction where that did not commit. */
  state: string;
  cause: string;
  transaction: string | null;
  steps: ShownStep[];
  /** Paths that a failed step was denied, as far as what it printed says so. */
  denied: string[];
  /** What to type next. */
  next: string;
};

/** So many events back the last change of a service is looked for. */
const RECENT = 100;

export async function run(context: Context, { args: [packId = ""] }: Input): Promise<Result> {
  using workspace = await openForReading(context);
  const { registry } = workspace;
  const transaction = lastTransaction(registry, checkPackId(packId));
  const install = `aurora install ${sourceFor(context, packId)}`;
  if (transaction) return explainTransaction(workspace, packId, transaction, install);
  return {
    pack_id: packId,
    transaction: null,
    steps: [],
    denied: [],
    ...explainWithoutTransaction(workspace, packId, install),
  };
}

/** It was only staged, or a registry that was lost and rebuilt has known the transaction. */
function explainWithoutTransaction(workspace: Workspace, packId: string, install: string): Explanation {
  const { registry } = workspace;
  const live = livePack(registry, packId);
  if (live) {
    const done = `version ${live.version} is live, and what brought it there was lost with an earlier registry`;
    return withMore(workspace, packId, explainLive(workspace, packId, done));
  }
  const staged = newestTree(registry, packId);
  if (!staged) throw unknownPack(workspace, packId, "is not known");
  const isNew = generationsOf(registry, packId).length === 0;
  return {
    state: "staged",
    cause: `version ${staged.version} ${isNew ? "was staged and never installed" : "is kept, and is not installed"}`,
    next: install,
  };
}

/** @param install what installs the pack, as it is typed here */
function explainTransaction(
  workspace: Workspace,
  packId: string,
  transaction: TransactionRow,
  install: string,
): Result {
  const { registry } = workspace;
  const journal = journalOf(registry, transaction.id);
  const steps = journal.flatMap((entry) => shownStep(transaction, entry));
  const base = {
    pack_id: packId,
    transaction: transaction.id,
    steps,
    denied: deniedTo(workspace, packId, steps),
  };
  const live = livePack(registry, packId);
  switch (transaction.state) {
    case "rolled-back": {
      const cause = `the last ${transaction.kind} was rolled back: ${transaction.reason}`;
      if (live) return { ...base, ...explainBack(workspace, packId, live.version, cause) };
      const next = isItsOwnFault(journal) ? `mend the pack, then ${install}` : install;
      return { ...base, state: "rolled-back", cause, next };
    }
    case "stuck":
      return {
        ...base,
        state: "stuck",
        cause: `the last ${transaction.kind} failed (${transaction.reason}), and what was there before could not be brought back whole`,
        next: live
          ? `aurora logs ${packId}, then aurora start ${packId}, or install a version that works`
          : `aurora logs ${packId}`,
      };
    case "unconfirmed":
      return {
        ...base,
        state: "unconfirmed",
        cause: `the last ${transaction.kind} is live, and will be rolled back unless it is confirmed`,
        next: `aurora confirm ${packId}`,
      };
    case "running":
      return {
        ...base,
        state: "running",
        cause: `a transaction is at work: ${transaction.kind}`,
        next: `aurora wait ${packId} --for running`,
      };
    case "committed":
      return {
        ...base,
        ...withMore(workspace, packId, explainCommitted(workspace, packId, transaction, install)),
      };
  }
}

type Explanation = Pick<Result, "state" | "cause" | "next">;

/** What is to be said beside how a live pack is. */
function withMore(workspace: Workspace, packId: string, explained: Explanation): Explanation {
  return withDamage(workspace, packId, withJobs(workspace, packId, explained));
}

/** Without its manifest nothing can be done with a pack, whatever else is to say of it. */
function withDamage({ registry }: Workspace, packId: string, explained: Explanation): Explanation {
  const live = livePack(registry, packId);
  const damage = live && damageOf(registry, live);
  if (!damage) return explained;
  const { state, cause } = explained;
  const { message } = damage;
  return { state, cause: cause.includes(message) ? cause : `${cause}; ${message}`, next: "aurora recover" };
}

/** What went wrong with the pack's jobs last, beside how the pack itself is. */
function withJobs({ registry }: Workspace, packId: string, explained: Explanation): Explanation {
  // Of a job that another version had, nothing is to be done about it.
  const jobs = new Set(packJobs(registry, packId).map(({ name }) => name));
  const [bad, ...others] = lastJobRuns(registry).filter(
    (row) =>
      row.pack_id === packId &&
      jobs.has(row.name) &&
      (row.state === "failed" || row.state === "timed-out" || row.state === "interrupted"),
  );
  if (!bad) return explained;
  const more = others.length === 0 ? "" : `, and so did ${others.map(({ name }) => `"${name}"`).join(", ")}`;
  const what = `the last run of its job "${bad.name}" went wrong at ${bad.started_at} (${bad.reason})${more}`;
  return {
    state: explained.state,
    cause: `${explained.cause}; ${what}`,
    next: `aurora schedule history ${packId} ${bad.name}`,
  };
}

/** What its steps were denied beyond what is the pack's own; nothing where it runs unconfined. */
function deniedTo({ registry, paths }: Workspace, packId: string, steps: readonly ShownStep[]): string[] {
  if (livePack(registry, packId)?.allow_all === 1) return [];
  const own = [paths.dataOf(packId), paths.logsOf(packId)];
  const failed = steps.filter(({ rc }) => rc !== null && rc !== 0);
  return deniedPaths(failed.map(({ output_tail }) => output_tail).join("\n"), own);
}

/** What is live again, and what has become of it since. */
function explainBack(workspace: Workspace, packId: string, version: string, cause: string): Explanation {
  const row = serviceOf(workspace.registry, packId);
  const trouble = row && explainTrouble(workspace, packId, row, `${cause}. Version ${version} is live`);
  const quiet = { state: "rolled-back", cause, next: `aurora status ${packId}` };
  return withMore(workspace, packId, trouble ?? quiet);
}

/** Whether a transaction went back for something that is the pack's, and not a signal, a crash, a deadline or a full disk. */
function isItsOwnFault(journal: readonly JournalRow[]): boolean {
  const entry = journal.find(({ status }) => status === "failed" || status === "abort");
  return entry?.status !== "abort" && detailOf(entry)?.is_not_its_own !== true;
}

function explainCommitted(
  workspace: Workspace,
  packId: string,
  transaction: TransactionRow,
  install: string,
): Explanation {
  const { registry } = workspace;
  const version = planOf(transaction.plan).packs.find(({ pack_id }) => pack_id === packId)?.to?.version;
  if (!livePack(registry, packId))
    return {
      state: "removed",
      cause: `it was removed at ${transaction.finished_at}`,
      next: install,
    };
  const done = `version ${version} is live since the ${transaction.kind} of ${transaction.finished_at}`;
  return explainLive(workspace, packId, done);
}

/** @param done what is said of its version, before what is said of its service */
function explainLive(workspace: Workspace, packId: string, done: string): Explanation {
  const row = serviceOf(workspace.registry, packId);
  if (!row)
    return { state: "installed", cause: `${done}, and was not started`, next: `aurora start ${packId}` };
  const last = recentEvents(workspace.registry, { packId, limit: 1 }).at(-1);
  return (
    explainTrouble(workspace, packId, row, done) ?? {
      state: observeService(row, bootId()).state,
      cause: last ? `${done}; last event: ${last.kind} at ${last.at}` : done,
      next: `aurora status ${packId}`,
    }
  );
}

/** Why a service does not run as it is to, or has not all the while; undefined where there is nothing to say of it. */
function explainTrouble(
  workspace: Workspace,
  packId: string,
  row: ServiceRow,
  done: string,
): Explanation | undefined {
  const { state, reason } = observeService(row, bootId());
  const hosted = explainHosted(workspace, packId, state, done);
  if (hosted) return hosted;
  switch (state) {
    case "exited":
      return {
        state,
        cause: reason === null ? `${done}, and its service has ended` : `${done}, but ${reason}`,
        next: `aurora logs ${packId}, then aurora start ${packId}`,
      };
    case "failed":
      return {
        state,
        cause: `${done}, but its start script ended with exit code ${row.rc}`,
        next: `aurora logs ${packId}`,
      };
    case "stopped":
      return { state, cause: `${done}; it was stopped at ${row.since}`, next: `aurora start ${packId}` };
    default:
      if (row.health === "unhealthy")
        return {
          state,
          cause: `${done}, and its last health check (${row.health_at}) failed${row.reason === null ? "" : `: ${row.reason}`}`,
          next: `aurora health ${packId}`,
        };
      return restarted(workspace, packId, row, done);
  }
}

/** A service that runs again: why it does not run since it was started. */
function restarted(
  { registry }: Workspace,
  packId: string,
  row: ServiceRow,
  done: string,
): Explanation | undefined {
  if (row.state !== "running" || row.restarts === 0) return undefined;
  const { at, detail } = lastEvent(registry, packId, "restarted");
  const { reason } = detail;
  if (typeof reason !== "string") return undefined;
  const times = row.restarts === 1 ? "once" : `${row.restarts} times`;
  return {
    state: row.state,
    cause: `${done}; it was restarted ${times}, the last time at ${at}: ${reason}`,
    next: `aurora logs ${packId}`,
  };
}

/** When the last event of a kind was, and what it tells; nothing where there is none among the recent ones. */
function lastEvent(
  registry: Workspace["registry"],
  packId: string,
  wanted: string,
): { at: string | undefined; detail: Record<string, unknown> } {
  const event = recentEvents(registry, { packId, limit: RECENT }).findLast(({ kind }) => kind === wanted);
  return { at: event?.at, detail: parseColumn("events.detail", event?.detail ?? "{}") };
}

/** What a supervised service came to by itself, as its last event of that kind tells it. */
function explainHosted(
  { registry }: Workspace,
  packId: string,
  state: string,
  done: string,
): Pick<Result, "state" | "cause" | "next"> | undefined {
  const { reason, next_start: nextStart } = lastEvent(registry, packId, state).detail;
  const next = `aurora logs ${packId}`;
  if (state === "backoff")
    return {
      state,
      cause: `${done}, but its service failed: ${String(reason)}; it starts again at ${String(nextStart)}`,
      next,
    };
  if (state !== "failed" || typeof reason !== "string") return undefined;
  return {
    state,
    cause: `${done}, but its service failed and is not started again: ${reason}`,
    next: `${next}, then aurora start ${packId}`,
  };
}

function detailOf(entry: JournalRow | undefined): StepDetail | undefined {
  return entry?.detail == null ? undefined : parseColumn<StepDetail>("journal.detail", entry.detail);
}

function shownStep(transaction: TransactionRow, entry: JournalRow): ShownStep[] {
  const { step, status, at } = entry;
  if (status === "begin" || status === "undo-begin" || status === "undo-put-off") return [];
  const parsed = detailOf(entry);
  const planned = planOf(transaction.plan).steps[step];
  const verb = status.startsWith("undo") ? "undo " : "";
  const name = planned ? `${verb}${planned.kind} ${planned.pack_id}` : (parsed?.name ?? "abort");
  return [
    {
      name,
      rc: parsed?.rc ?? null,
      at,
      duration_ms: parsed?.duration_ms ?? 0,
      output_tail: [parsed?.output_tail, parsed?.reason].filter((text) => text).join("\n"),
    },
  ];
}

export function render({ pack_id, state, cause, steps, denied, next }: Result, paint: Paint): string {
  const lines = [`${pack_id}: ${paint.bold(state)}`, cause];
  for (const { name, rc, at, duration_ms, output_tail } of steps) {
    lines.push(
      `  ${at}  ${name}${rc === null ? "" : `, exit code ${rc}`}${duration_ms === 0 ? "" : `, ${formatDuration(duration_ms)}`}`,
    );
    lines.push(...printedLines(output_tail, "      "));
  }
  if (denied.length > 0)
    lines.push(`denied: ${denied.join(", ")}; "permissions" in the manifest says what a pack may reach`);
  return [...lines, `next: ${next}`].join("\n");
}
