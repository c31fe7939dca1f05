import { AuroraError } from "../../errors.ts";
import { appendEvent } from "../../registry/events.ts";
import { forgetRuns } from "../../registry/job-runs.ts";
import { forgetOperatorJob } from "../../registry/jobs.ts";
import { type Context, type Input } from "../command.ts";
import { changeJobs, requireJob } from "../shared/jobs.ts";

type Result = { id: string; pack_id: string; name: string; removed: boolean };

export function run(context: Context, { args: [packId = "", name = ""] }: Input): Promise<Result> {
  return changeJobs(
    context,
    `remove the job "${name}"`,
    (workspace) => {
      if (requireJob(workspace, packId, name).origin === "operator") return;
      throw new AuroraError(
        "conflict",
        `cannot remove the job "${name}": it is in the manifest of "${packId}"`,
        {
          hint: `aurora schedule pause ${packId} ${name} keeps it from running`,
        },
      );
    },
    (workspace) => {
      const { registry, now } = workspace;
      const { id } = requireJob(workspace, packId, name);
      const removed = forgetOperatorJob(registry, packId, name);
      forgetRuns(registry, packId, name);
      appendEvent(registry, { at: now().toISOString(), packId, kind: "job-removed", detail: { job: name } });
      return { id, pack_id: packId, name, removed };
    },
    packId,
  );
}

export function render({ id }: Result): string {
  return `${id} is removed`;
}
