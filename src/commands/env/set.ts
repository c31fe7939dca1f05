import { isUtf8 } from "node:buffer";

import { AuroraError } from "../../errors.ts";
import { checkVariableName, MAX_VALUE_BYTES } from "../../lifecycle/own-operations.ts";
import { type EnvironmentRow } from "../../registry/environment.ts";
import { type Context, type Input } from "../command.ts";
import { withOwnPack } from "../shared/own-pack.ts";
import { checkPackId } from "../shared/workspace.ts";

type Result = { pack_id: string; set: string[] };

export async function run(context: Context, { args: [packId = "", ...assignments] }: Input): Promise<Result> {
  checkPackId(packId);
  const unset = assignments.filter((assignment) => !assignment.includes("="));
  if (unset.length > 1)
    throw new AuroraError("usage", `cannot take ${unset.join(" and ")} from one standard input`, {
      hint: `aurora env set ${packId} ${unset[0]} < FILE, and so for each`,
    });
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
  const value =
    equals === -1 ? (await readAll(context, name)).replace(/\n$/, "") : assignment.slice(equals + 1);
  return { name, value };
}

/** @throws {AuroraError} `usage` for what is no text: a registry of texts could only keep another value */
async function readAll(context: Context, name: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of context.stdin.chunks()) {
    chunks.push(Uint8Array.from(chunk));
    length += chunk.length;
    // More than fits, and a newline: whatever it is, it is too long.
    if (length > MAX_VALUE_BYTES + 1) return "x".repeat(length);
  }
  const bytes = Buffer.concat(chunks);
  if (!isUtf8(bytes))
    throw new AuroraError("usage", `cannot set "${name}": its value is not valid UTF-8`, {
      hint: "base64 makes text of any bytes",
    });
  return bytes.toString();
}

export function render({ pack_id, set }: Result): string {
  return `${pack_id}: ${set.join(", ")} ${set.length === 1 ? "is" : "are"} set, and will be seen from its next start on`;
}
