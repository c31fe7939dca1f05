import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";
import { shownName } from "../shared/vfs-paths.ts";

/** Paths relative to the directory, sorted as the walk finds them. */
export async function run(
  context: Context,
  { args: [packId = "", pattern = "", directory = "/"] }: Input,
): Promise<string[]> {
  using vfs = await openPackVfs(context, packId, "read");
  return await vfs.glob(pattern, directory);
}

export function render(paths: string[]): string {
  return paths.map((name) => shownName({ name })).join("\n");
}
