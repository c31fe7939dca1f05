import { AuroraError } from "../../errors.ts";
import { checkVariableName, MAX_VALUE_BYTES } from "../../lifecycle/own-operations.ts";
import { type EnvironmentRow } from "../../registry/environment.ts";
import { type Context, type Input } from "../command.ts";
import { withOwnPack } from "../shared/own-pack.ts";
import { checkPackId } from "../shared/workspace.ts";

type Result = { pack_id: string; set: string[] };

export async function run(context: Context, { args: [packId = "", ...assignments] }: Input): Promise<Result> {
  checkPackId(packId);
  const rows: EnvironmentRow[] = [];
  for (const assignment of assignments) rows.push(await readAssignment(context, packId, assignment));
  return await withOwnPack(context, packId, "env set", { variables: rows });
}

/** `NAME=VALUE`, or `NAME` alone with the value on standard input, so that a secret is not seen in the process list. */
async function readAssignment(context: Context, packId: string, assignment: string): Promise<EnvironmentRow> {
  const equals = assignment.indexOf("=");
  const name = equals === -1 ? assignment : assignment.slice(0, equals);
  checkVariableName(packId, name);
  if (equals === -1 && context.stdin.isTerminal)
    throw new AuroraError("usage", `"${name}" has no value`, {
      hint: `aurora env set ${packId} ${name}=VALUE, or give the value on standard input`,
    });
  const value = equals === -1 ? (await readAll(context)).replace(/\n$/, "") : assignment.slice(equals + 1);
  return { name, value };
}

async function readAll(context: Context): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  for await (const chunk of context.stdin.chunks()) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_VALUE_BYTES) break;
  }
  return text;
}

export function render({ pack_id, set }: Result): string {
  return `${pack_id}: ${set.join(", ")} ${set.length === 1 ? "is" : "are"} set, and will be seen from its next start on`;
}
