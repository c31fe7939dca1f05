import { AuroraError, toAuroraError } from "../../errors.ts";
import { type OwnOperation, ownOperations } from "../own-operations.ts";
import { type Workspace } from "../workspace.ts";
import { type ChannelReply, type ChannelRequest } from "./protocol.ts";

/** So many changes may come at once, and so many more in a second: beyond, they are refused, and do not fill the event log. */
const MAX_CHANGES_AT_ONCE = 200;
const CHANGES_PER_SECOND = 2;

/**
 * Answers what a pack's confined script asks for: for that pack, whatever the request says. A change is made under the
 * home's lock: at once where the caller holds it, as a transaction does.
 */
export function answerOwn(
  workspace: Workspace,
  packId: string,
): (request: ChannelRequest) => Promise<ChannelReply> {
  let [changes, refilledAt] = [MAX_CHANGES_AT_ONCE, performance.now()];
  const takeChange = (operation: string) => {
    const now = performance.now();
    changes = Math.min(MAX_CHANGES_AT_ONCE, changes + ((now - refilledAt) / 1000) * CHANGES_PER_SECOND);
    refilledAt = now;
    if (changes < 1)
      throw new AuroraError("quota-exceeded", `cannot ${operation}: "${packId}" makes too many changes`, {
        hint: `${CHANGES_PER_SECOND} in a second are taken`,
      });
    changes--;
  };
  return async ({ operation, params }) => {
    try {
      const known = Object.hasOwn(ownOperations, operation)
        ? (ownOperations[operation as keyof typeof ownOperations] as OwnOperation<unknown, unknown>)
        : undefined;
      if (known === undefined)
        throw new AuroraError("denied", `a pack's script cannot ask for ${JSON.stringify(operation)}`);
      const checked = known.check(packId, params);
      if (!known.isChange) return { ok: true, result: known.run(workspace, packId, checked) };
      takeChange(operation);
      const change = (locked: Workspace) => known.run(locked, packId, checked);
      const { underLock } = workspace;
      const result = underLock ? await underLock(`${operation} ${packId}`, change) : change(workspace);
      return { ok: true, result };
    } catch (thrown) {
      const { code, message, hint = null } = toAuroraError(thrown);
      return { ok: false, error: { code, message, hint } };
    }
  };
}
