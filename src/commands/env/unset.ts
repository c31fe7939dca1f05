import { AuroraError } from "../../errors.ts";
import { updatePackRecord } from "../../lifecycle/generation-record.ts";
import { environmentOf, unsetEnvironment } from "../../registry/environment.ts";
import { appendEvent } from "../../registry/events.ts";
import { type Context, type Input } from "../command.ts";
import { checkPackId, withOwnOrHomeLock } from "../shared/workspace.ts";

type Result = { pack_id: string; unset: string[] };

export function run(context: Context, { args: [packId = "", ...names] }: Input): Promise<Result> {
  checkPackId(packId);
  return withOwnOrHomeLock(context, `env unset ${packId}`, (workspace) => {
    const { registry, now } = workspace;
    registry.write(() => {
      const present = new Set(environmentOf(registry, packId).map(({ name }) => name));
      const missing = names.filter((name) => !present.has(name));
      if (missing.length > 0)
        throw new AuroraError(
          "not-found",
          `${missing.map((name) => `"${name}"`).join(", ")} ${missing.length === 1 ? "is" : "are"} not set for "${packId}"`,
          {
            hint: `aurora env list ${packId} shows what is`,
          },
        );
      for (const name of names) unsetEnvironment(registry, packId, name);
      appendEvent(registry, {
        at: now().toISOString(),
        packId,
        kind: "environment-unset",
        detail: { names },
      });
    });
    updatePackRecord(workspace, packId);
    return { pack_id: packId, unset: names };
  });
}

export function render({ pack_id, unset }: Result): string {
  return `${pack_id}: ${unset.join(", ")} ${unset.length === 1 ? "is" : "are"} no longer set`;
}
