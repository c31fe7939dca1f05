import { AuroraError } from "../errors.ts";

/** Where programs are looked for when nobody says so. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Variables that every script gets, as they are. */
const passedThrough = new Set(["PATH", "HOME", "LANG", "TZ", "TERM"]);

/** Names that act on a runtime or a loader before a script's first line. They never come from outside. */
export function isForbiddenVariable(name: string): boolean {
  return /^(BUN_|LD_|DYLD_)/.test(name);
}

export type ScriptFacts = {
  packId: string;
  version: string;
  generation: number;
  packDirectory: string;
  dataDirectory: string;
  logDirectory: string;
  tmpDirectory: string;
  home: string;
  self: string;
  isDryRun: boolean;
};

/**
 * The complete environment of a pack's script: pure.
 *
 * @param host the operator's environment
 * @param allowed names from `permissions.env` and `env.required`; one that ends in `*` allows all that begin so
 * @param own what `aurora env set` has set for the pack; it wins over the host
 * @param broken names of the host's variables that are no UTF-8, and so are not known as they are
 * @throws {AuroraError} `usage` where one of those would be passed on
 */
export function packEnvironment(
  facts: ScriptFacts,
  host: Readonly<Record<string, string | undefined>>,
  allowed: readonly string[],
  own: readonly { name: string; value: string }[],
  broken: ReadonlySet<string> = new Set(),
): Record<string, string> {
  const environment: Record<string, string> = {};
  const isOwn = new Set(own.map(({ name }) => name));
  for (const [name, value] of Object.entries(host)) {
    if (value === undefined || isForbiddenVariable(name) || name.startsWith("AURORA_")) continue;
    if (
      passedThrough.has(name) ||
      name.startsWith("LC_") ||
      allowed.some((pattern) => matches(pattern, name))
    ) {
      if (broken.has(name) && !isOwn.has(name)) throw notText(facts.packId, name);
      environment[name] = value;
    }
  }
  for (const { name, value } of own) if (!isForbiddenVariable(name)) environment[name] = value;
  return {
    PATH: DEFAULT_PATH,
    ...environment,
    // A Python that runs as root would write its caches into the immutable tree.
    PYTHONDONTWRITEBYTECODE: "1",
    AURORA_PACK_ID: facts.packId,
    AURORA_PACK_VERSION: facts.version,
    AURORA_GENERATION: String(facts.generation),
    AURORA_PACK_DIR: facts.packDirectory,
    AURORA_DATA_DIR: facts.dataDirectory,
    AURORA_LOG_DIR: facts.logDirectory,
    AURORA_TMP_DIR: facts.tmpDirectory,
    AURORA_HOME: facts.home,
    AURORA_BIN: facts.self,
    ...(facts.isDryRun ? { AURORA_DRY_RUN: "1" } : {}),
  };
}

function notText(packId: string, name: string): AuroraError {
  return new AuroraError("usage", `cannot pass "${name}" on to "${packId}": its value is not valid UTF-8`, {
    hint: `unset it, or set another for the pack: aurora env set ${packId} ${name}=VALUE`,
  });
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}
