import { AuroraError } from "../../errors.ts";
import { MAX_META_BYTES } from "../../lifecycle/own-operations.ts";
import { type Context, type Input } from "../command.ts";
import { type NamespaceEntry, namespaceEntry } from "../shared/namespace-entry.ts";
import { withOwnPack } from "../shared/own-pack.ts";
import { checkPackId } from "../shared/workspace.ts";

export async function run(
  context: Context,
  { args: [packId = ""], options }: Input<never, "meta" | "if-revision">,
): Promise<NamespaceEntry> {
  checkPackId(packId);
  const meta = parseMeta(options.meta ?? "{}");
  const ifRevision = parseRevision(options["if-revision"]);
  return namespaceEntry(await withOwnPack(context, packId, "ns register", { meta, ifRevision }));
}

/** Any JSON object. Throws `usage`, `too-large`. */
function parseMeta(text: string): unknown {
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
  if (Buffer.byteLength(JSON.stringify(value)) > MAX_META_BYTES)
    throw new AuroraError("too-large", `cannot register: --meta has more than ${MAX_META_BYTES} bytes`);
  return value;
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
