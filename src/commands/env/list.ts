import { type Context, type Input } from "../command.ts";
import { withOwnPack } from "../shared/own-pack.ts";

/** Values only where they are asked for: they may be secret. */
type Result = { pack_id: string; variables: { name: string; value?: string }[] };

export async function run(
  context: Context,
  { args: [packId = ""], options }: Input<"show-values">,
): Promise<Result> {
  const rows = await withOwnPack(context, packId, "env list", {});
  return {
    pack_id: packId,
    variables: rows.map(({ name, value }) => (options["show-values"] === true ? { name, value } : { name })),
  };
}

export function render({ pack_id, variables }: Result): string {
  if (variables.length === 0) return `${pack_id} has no variables`;
  return variables.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`)).join("\n");
}
