import { printableName } from "../../vfs/raw-name.ts";
import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";

type Result = { path: string; target: string };

export async function run(context: Context, { args: [packId = "", path = ""] }: Input): Promise<Result> {
  using vfs = await openPackVfs(context, packId, "read");
  return { path, target: await vfs.readLink(path) };
}

export function render({ target }: Result): string {
  return printableName(target);
}
