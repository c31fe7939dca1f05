import { AuroraError } from "../../errors.ts";
import { updatePackRecord } from "../../lifecycle/generation-record.ts";
import { isForbiddenVariable } from "../../lifecycle/pack-environment.ts";
import { type EnvironmentRow, setEnvironment } from "../../registry/environment.ts";
import { appendEvent } from "../../registry/events.ts";
import { type Context, type Input } from "../command.ts";
import { checkPackId, withOwnOrHomeLock } from "../shared/workspace.ts";

type Result = { pack_id: string; set: string[] };

/** A value longer than this is refused: an environment as a whole may have 2 MiB on Linux (execve(2)). */
export const MAX_VALUE_BYTES = 128 * 1024;

export async function run(context: Context, { args: [packId = "", ...assignments] }: Input): Promise<Result> {
  checkPackId(packId);
  const rows: EnvironmentRow[] = [];
  for (const assignment of assignments) rows.push(await readAssignment(context, packId, assignment));
  return await withOwnOrHomeLock(context, `env set ${packId}`, (workspace) => {
    const { registry, now } = workspace;
    const names = rows.map(({ name }) => name);
    registry.write(() => {
      setEnvironment(registry, packId, rows);
      appendEvent(registry, { at: now().toISOString(), packId, kind: "environment-set", detail: { names } });
    });
    updatePackRecord(workspace, packId);
    return { pack_id: packId, set: names };
  });
}

/** `NAME=VALUE`, or `NAME` alone with the value on standard input, so that a secret is not seen in the process list. */
async function readAssignment(context: Context, packId: string, assignment: string): Promise<EnvironmentRow> {
  const equals = assignment.indexOf("=");
  const name = equals === -1 ? assignment : assignment.slice(0, equals);
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    throw new AuroraError("usage", `cannot set "${name}": it is no name for a variable`, {
      hint: `aurora env set ${packId} NAME=VALUE`,
    });
  if (isForbiddenVariable(name) || name.startsWith("AURORA_"))
    throw new AuroraError(
      "usage",
      `cannot set "${name}": names that begin with BUN_, LD_, DYLD_ or AURORA_ are not for packs to get`,
    );
  if (equals === -1 && context.stdin.isTerminal)
    throw new AuroraError("usage", `"${name}" has no value`, {
      hint: `aurora env set ${packId} ${name}=VALUE, or give the value on standard input`,
    });
  const value = equals === -1 ? (await readAll(context)).replace(/\n$/, "") : assignment.slice(equals + 1);
  if (value.includes("\0"))
    throw new AuroraError("usage", `cannot set "${name}": its value holds a NUL byte`);
  if (Buffer.byteLength(value) > MAX_VALUE_BYTES)
    throw new AuroraError(
      "too-large",
      `cannot set "${name}": its value has more than ${MAX_VALUE_BYTES} bytes`,
    );
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
