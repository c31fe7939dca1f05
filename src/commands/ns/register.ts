import { AuroraError } from "../../errors.ts";
import { appendEvent } from "../../registry/events.ts";
import { registerNamespace } from "../../registry/namespaces.ts";
import { type Context, type Input } from "../command.ts";
import { type NamespaceEntry, namespaceEntry } from "../shared/namespace-entry.ts";
import { checkPackId, withOwnOrHomeLock } from "../shared/workspace.ts";

/** The largest meta that is taken, in bytes of JSON. */
export const MAX_META_BYTES = 64 * 1024;

export function run(
  context: Context,
  { args: [packId = ""], options }: Input<never, "meta" | "if-revision">,
): Promise<NamespaceEntry> {
  checkPackId(packId);
  const meta = parseMeta(options.meta ?? "{}");
  const ifRevision = parseRevision(options["if-revision"]);
  return withOwnOrHomeLock(context, `ns register ${packId}`, ({ registry, now }) => {
    const at = now().toISOString();
    return registry.write(() => {
      const row = registerNamespace(registry, packId, meta, at, ifRevision);
      appendEvent(registry, { at, packId, kind: "namespace-registered", detail: { revision: row.revision } });
      return namespaceEntry(row);
    });
  });
}

/** Any JSON object; returned as the text that is stored. Throws `usage`, `too-large`. */
function parseMeta(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw new AuroraError("usage", `cannot read --meta: it is not JSON (${(thrown as Error).message})`, {
      hint: `write --meta '{"key": "value"}'`,
    });
  }
  if (value === null || typeof value !== "object" || Array.isArray(value))
    throw new AuroraError("usage", "cannot read --meta: it is not a JSON object", {
      hint: `write --meta '{"key": "value"}'`,
    });
  const stored = JSON.stringify(value);
  if (Buffer.byteLength(stored) > MAX_META_BYTES)
    throw new AuroraError("too-large", `cannot register: --meta has more than ${MAX_META_BYTES} bytes`);
  return stored;
}

function parseRevision(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new AuroraError("usage", `cannot read --if-revision "${text}": it is not a number`, {
    hint: "0 means that there must be no entry yet",
  });
}

export function render({ pack_id, revision }: NamespaceEntry): string {
  return `${pack_id} is registered, revision ${revision}`;
}
