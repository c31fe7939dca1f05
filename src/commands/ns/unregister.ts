import { AuroraError } from "../../errors.ts";
import { appendEvent } from "../../registry/events.ts";
import { unregisterNamespace } from "../../registry/namespaces.ts";
import { type Context, type Input } from "../command.ts";
import { checkPackId, withOwnOrHomeLock } from "../shared/workspace.ts";

type Result = { pack_id: string; unregistered: boolean };

export function run(context: Context, { args: [packId = ""] }: Input): Promise<Result> {
  checkPackId(packId);
  return withOwnOrHomeLock(context, `ns unregister ${packId}`, ({ registry, now }) =>
    registry.write(() => {
      if (!unregisterNamespace(registry, packId))
        throw new AuroraError("not-found", `"${packId}" has no entry in the namespace registry`, {
          hint: "aurora ns list shows the entries",
        });
      appendEvent(registry, { at: now().toISOString(), packId, kind: "namespace-unregistered" });
      return { pack_id: packId, unregistered: true };
    }),
  );
}

export function render({ pack_id }: Result): string {
  return `${pack_id} is no longer registered`;
}
