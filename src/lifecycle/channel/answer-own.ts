import { AuroraError, toAuroraError } from "../../errors.ts";
import { isPackChanging } from "../../registry/transactions.ts";
import { type OwnOperation, ownOperations, type OwnOperationTable } from "../own-operations.ts";
import { type Workspace } from "../workspace.ts";
import { CHANGES_PER_SECOND, fullBudget, takeChange } from "./change-budget.ts";
import { type ChannelReply, type ChannelRequest } from "./protocol.ts";

/** With this word the names of all other operations begin. */
const JOBS = "schedule";

/**
 * Answers what a pack's confined script asks for: for that pack, whatever the request says. A change is made under the
 * home's lock: at once where the caller holds it, as a transaction does. Requests are answered one after another, but for those
 * that may take long.
 */
export function answerOwn(
  workspace: Workspace,
  packId: string,
): (request: ChannelRequest, signal: AbortSignal) => Promise<ChannelReply> {
  let budget = fullBudget(performance.now());
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => T | Promise<T>): Promise<T> => {
    const mine = last.then(work);
    last = mine.catch(() => {});
    return mine;
  };
  return async ({ operation, params }, signal) => {
    try {
      const known = await operationOf(workspace, operation);
      const checked = known.check(packId, params);
      if (!known.isChange) return { ok: true, result: await known.run(workspace, packId, checked) };
      const rest = takeChange(budget, performance.now());
      if (!rest) throw tooMany(packId, operation);
      budget = rest;
      if (known.outside) refuseInside(workspace, packId, known.outside(checked));
      const change = (opened: Workspace) => known.run(opened, packId, checked, signal);
      const begin = async () => await open(workspace, known, `${operation} ${packId}`, change);
      return { ok: true, result: await (known.isLong === true ? begin() : inTurn(begin)) };
    } catch (thrown) {
      const { code, message, hint = null } = toAuroraError(thrown);
      return { ok: false, error: { code, message, hint } };
    }
  };
}

/** Opens the home for a change, which needs its lock unless no transaction has to do with it. */
async function open(
  workspace: Workspace,
  { outside }: OwnOperation<unknown, unknown>,
  description: string,
  change: (opened: Workspace) => unknown,
): Promise<unknown> {
  const { underLock, forWriting } = workspace;
  if (outside !== undefined && forWriting) return await forWriting(change);
  if (outside === undefined && underLock) return await underLock(description, change);
  return await change(workspace);
}

async function operationOf(workspace: Workspace, name: string): Promise<OwnOperation<unknown, unknown>> {
  const more = name.startsWith(`${JOBS} `) ? await workspace.moreOwnOperations?.() : undefined;
  for (const table of [ownOperations as OwnOperationTable, more ?? {}]) {
    const operation = Object.hasOwn(table, name) ? table[name] : undefined;
    if (operation) return operation;
  }
  throw new AuroraError("denied", `a pack's script cannot ask for ${JSON.stringify(name)}`);
}

/** Without a lock to take, the caller is a transaction or a dry run. A service that the daemon runs may be part of one as well. */
function refuseInside({ registry, underLock }: Workspace, packId: string, description: string): void {
  if (underLock !== undefined && !isPackChanging(registry, packId)) return;
  throw new AuroraError(
    "locked",
    `cannot ${description}: this is called from a pack's script inside a transaction`,
    { hint: "it would stay when the transaction goes back" },
  );
}

function tooMany(packId: string, operation: string): AuroraError {
  return new AuroraError("quota-exceeded", `cannot ${operation}: "${packId}" makes too many changes`, {
    hint: `${CHANGES_PER_SECOND} in a second are taken`,
  });
}
