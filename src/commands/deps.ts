import { presentPacks } from "../lifecycle/prepare.ts";
import { satisfies } from "../manifest/version.ts";
import { type Context, type Input, type Paint } from "./command.ts";
import { requireLivePack } from "./shared/packs.ts";
import { openForReading } from "./shared/workspace.ts";

type Dependency = {
  pack_id: string;
  version_constraint: string;
  version: string | null;
  satisfied: boolean;
  dependencies: Dependency[];
};
type Result = { pack_id: string; version: string; dependencies: Dependency[]; dependents: string[] };

export async function run(context: Context, { args: [packId = ""] }: Input): Promise<Result> {
  using workspace = await openForReading(context);
  const { manifest } = requireLivePack(workspace, packId);
  const live = new Map(presentPacks(workspace).map((pack) => [pack.manifest.pack.id, pack.manifest]));
  const dependenciesOf = (id: string, above: readonly string[]): Dependency[] =>
    (live.get(id)?.pack.dependencies ?? []).map(({ pack_id, version_constraint }) => {
      const version = live.get(pack_id)?.pack.version ?? null;
      return {
        pack_id,
        version_constraint,
        version,
        satisfied: version !== null && satisfies(version, version_constraint),
        dependencies: above.includes(pack_id) ? [] : dependenciesOf(pack_id, [...above, pack_id]),
      };
    });
  const dependents = [...live.values()]
    .filter(({ pack }) => pack.dependencies.some(({ pack_id }) => pack_id === packId))
    .map(({ pack }) => pack.id);
  return {
    pack_id: packId,
    version: manifest.pack.version,
    dependencies: dependenciesOf(packId, [packId]),
    dependents,
  };
}

export function render({ pack_id, version, dependencies, dependents }: Result, paint: Paint): string {
  const lines = [`${pack_id} ${version}`];
  const show = (list: readonly Dependency[], indent: string): void => {
    for (const [index, dependency] of list.entries()) {
      const isLast = index === list.length - 1;
      const found = dependency.version ?? "not installed";
      const text = `${dependency.pack_id} ${dependency.version_constraint}  ${dependency.satisfied ? found : paint.red(found)}`;
      lines.push(`${indent}${isLast ? "└─" : "├─"} ${text}`);
      show(dependency.dependencies, `${indent}${isLast ? "   " : "│  "}`);
    }
  };
  show(dependencies, "");
  if (dependencies.length === 0) lines.push("depends on nothing");
  if (dependents.length > 0) lines.push(`needed by: ${dependents.join(", ")}`);
  return lines.join("\n");
}
