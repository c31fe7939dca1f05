import { namespaceOf } from "../../registry/namespaces.ts";
import { openRegistryForReading } from "../../registry/registry.ts";
import { type Bench, restore, type Slot } from "./bench.ts";
import { runChild } from "./run-child.ts";
import { readState } from "./state.ts";

/** So many commands are started at the same moment. */
const WRITERS = 8;
/** With an install and a rollback; the last one waits for all others. */
const COMMANDS = WRITERS + 2;

/** Commands on one home at once: what each was told is there, and what is live is whole. Returns what is wrong. */
export async function tryTogether(bench: Bench, { paths }: Slot): Promise<string[]> {
  restore(bench, "upgraded", paths.home);
  const before = revisionOf(paths);
  const run = (...argv: string[]) =>
    runChild(bench.self, argv, paths.home, { hangsAfterMs: COMMANDS * bench.hangsAfterMs });
  const children = await Promise.all([
    ...Array.from({ length: WRITERS }, (_, index) =>
      run("ns", "register", "app", "--meta", `{"writer":${index}}`),
    ),
    run("install", `${bench.packs}/1`),
    run("rollback", "app"),
  ]);
  const acknowledged = children.slice(0, WRITERS).filter(({ exitCode }) => exitCode === 0).length;
  const faults = children.flatMap(({ exitCode, stderr }) =>
    exitCode === 0 || exitCode === 8 || exitCode === 5 ? [] : [`one ends with ${exitCode}: ${stderr}`],
  );
  const written = revisionOf(paths) - before;
  if (written !== acknowledged)
    faults.push(`${acknowledged} entries were acknowledged, and ${written} were written`);
  return [...faults, ...(await readState(paths)).faults];
}

function revisionOf(paths: Slot["paths"]): number {
  using registry = openRegistryForReading(paths);
  return namespaceOf(registry, "app")?.revision ?? 0;
}
