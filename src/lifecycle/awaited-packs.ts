import { type Manifest } from "../manifest/schema.ts";
import { type Registry } from "../registry/registry.ts";
import { serviceOf } from "../registry/services.ts";
import { oneLine } from "../system/one-line.ts";
import { type Workspace } from "./workspace.ts";

/** Whoever is waited for longer is told, in milliseconds; and so often it is looked whether that is still so. */
const SHOW_MS = 1000;
/** What is longer than a line of a terminal could not be drawn over. */
const LINE_CHARACTERS = 79;

/**
 * What the start of a service waits for: the packs that it depends on, that are wanted and not healthy, each with how it is.
 *
 * @returns for instance `"db" is starting: its health check ended with exit code 1`
 */
export function awaitedPacks(registry: Registry, { pack }: Manifest): string[] {
  return pack.dependencies.flatMap(({ pack_id: packId }) => {
    const row = serviceOf(registry, packId);
    if (row?.wanted !== "running") return [];
    const isUp = row.state === "running";
    if (isUp && row.health !== "unhealthy") return [];
    const how = isUp ? row.health : row.state;
    return `"${packId}" is ${how}${row.reason === null ? "" : `: ${oneLine(row.reason)}`}`;
  });
}

/** Shows whom the start of a service waits for, until it is disposed of. */
export function showAwaited(
  { registry, progress }: Pick<Workspace, "registry" | "progress">,
  manifest: Manifest,
): Disposable {
  if (!progress) return { [Symbol.dispose]: () => {} };
  const timer = setInterval(() => {
    const awaited = awaitedPacks(registry, manifest);
    const line = `"${manifest.pack.id}" waits: ${awaited.join(", ")}`;
    progress(awaited.length === 0 ? undefined : line.slice(0, LINE_CHARACTERS));
  }, SHOW_MS);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      progress(undefined);
    },
  };
}
