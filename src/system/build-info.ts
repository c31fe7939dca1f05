declare const AURORA_VERSION: string;
declare const AURORA_COMMIT: string;
declare const AURORA_TARGET: string;

/** What this program was built from. The build replaces the three names; from sources they do not exist. */
export function buildInfo() {
  return {
    version: typeof AURORA_VERSION === "string" ? AURORA_VERSION : "0.0.0-dev",
    commit: typeof AURORA_COMMIT === "string" ? AURORA_COMMIT : "unknown",
    bun: Bun.version,
    target: typeof AURORA_TARGET === "string" ? AURORA_TARGET : `${process.platform}-${process.arch}`,
  };
}
