import { namespaces } from "../../registry/namespaces.ts";
import { type Context, type Input } from "../command.ts";
import { namespaceEntry } from "../shared/namespace-entry.ts";
import { checkPackId, openForReading } from "../shared/workspace.ts";

/** How often the registry is looked at, in milliseconds. A value that is replaced twice in between is shown once. */
const POLL_MS = 100;

type Change = {
  pack_id: string;
  meta: Record<string, unknown> | null;
  revision: number | null;
  updated: string | null;
};

/** Writes a line for each entry that there is, and from then on one for each change, until a signal ends it. */
export async function run(context: Context, { args: [packId] }: Input): Promise<undefined> {
  if (packId !== undefined) checkPackId(packId);
  let known = new Map<string, Change>();
  while (!context.signal.aborted) {
    const present = await read(context, packId);
    for (const change of changes(known, present))
      context.stdout.write(`${context.json ? JSON.stringify(change) : lineOf(change)}\n`);
    known = present;
    await Bun.sleep(POLL_MS);
  }
  return undefined;
}

async function read(context: Context, packId: string | undefined): Promise<Map<string, Change>> {
  using workspace = await openForReading(context);
  const entries = namespaces(workspace.registry).map(namespaceEntry);
  return new Map(
    entries
      .filter(({ pack_id }) => packId === undefined || pack_id === packId)
      .map((entry) => [entry.pack_id, entry]),
  );
}

function changes(before: ReadonlyMap<string, Change>, after: ReadonlyMap<string, Change>): Change[] {
  const changed = [...after.values()].filter(({ pack_id, revision, updated }) => {
    const old = before.get(pack_id);
    return old?.revision !== revision || old.updated !== updated;
  });
  const gone = [...before.keys()].filter((packId) => !after.has(packId));
  return [...changed, ...gone.map((pack_id) => ({ pack_id, meta: null, revision: null, updated: null }))];
}

function lineOf({ pack_id, meta, revision }: Change): string {
  return meta === null ? `${pack_id}  unregistered` : `${pack_id}  ${revision}  ${JSON.stringify(meta)}`;
}
