import { userInfo } from "node:os";

import { AuroraError } from "../../errors.ts";
import { type PlanDocument } from "../../lifecycle/plan-document.ts";
import { type Approval } from "../../lifecycle/transaction.ts";
import { type TransactionKind } from "../../registry/transactions.ts";
import { type Context } from "../command.ts";
import { planText } from "./plan-text.ts";

/** The word that the operator types. */
const APPROVAL_WORD = "APPROVE";

/**
 * Gets the operator's approval of a plan: by `--approve`, by `--approve=DIGEST` (which refuses any other plan), or by the
 * word on the terminal.
 *
 * @param approve "" for `--approve`, a digest for `--approve=DIGEST`, undefined for neither
 * @returns the approval, or undefined where the operator said no
 * @throws {AuroraError} `approval-refused` for another digest, `approval-required` where nobody can be asked
 */
export async function approvePlan(
  context: Context,
  kind: TransactionKind,
  document: PlanDocument,
  approve: string | undefined,
): Promise<Approval | undefined> {
  const { plan_digest: planDigest, approval_required: isRequired } = document;
  // `aurora plan` reads sources, and shows nothing of what is to come back from the store.
  const review =
    kind === "install" ? "review it with aurora plan" : "run it on a terminal to review the plan";
  if (approve !== undefined && approve !== "" && approve !== planDigest)
    throw new AuroraError(
      "approval-refused",
      `the approved plan is ${approve}, but this one is ${planDigest}`,
      {
        hint: `${review}, then approve that digest`,
      },
    );
  if (approve !== undefined) return { planDigest, by: operatorName(context.env) };
  if (!isRequired) return { planDigest, by: null };
  const answer = await context.ask(`${planText(document)}\n\nType ${APPROVAL_WORD} to go on: `);
  if (answer === undefined)
    throw new AuroraError("approval-required", "this plan needs an operator's approval", {
      diagnostics: [{ message: `plan ${planDigest}` }],
      hint: `${review}, ${kind === "install" ? "then" : "or"} add --approve=${planDigest}`,
    });
  return answer === APPROVAL_WORD ? { planDigest, by: operatorName(context.env) } : undefined;
}

/** Who is at the keyboard: behind sudo, the user who called it. */
function operatorName(env: Context["env"]): string {
  const caller = env["SUDO_USER"];
  try {
    const { username } = userInfo();
    return caller && caller !== username ? `${caller} (as ${username})` : username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}
