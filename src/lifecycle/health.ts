import { AuroraError } from "../errors.ts";
import { type Manifest } from "../manifest/schema.ts";
import { runGate } from "../process/health-gate.ts";
import { appendEvent } from "../registry/events.ts";
import { type Health, serviceOf, setHealth } from "../registry/services.ts";
import { oneLine } from "../system/one-line.ts";
import { type StepDetail } from "./perform.ts";
import { endingOf, outputTail, runScript, type ScriptPack } from "./script.ts";
import { hasStarted, isHosted } from "./service-host.ts";
import { timestamp, type Workspace } from "./workspace.ts";

export type HealthReport = {
  health: Health;
  rc: number | null;
  duration_ms: number;
  output: string;
  /** Why it is unhealthy, in words. */
  detail: string | null;
};

/** Whether a pack says anywhere how to tell its health. */
export function hasHealthCheck({ pack: { entrypoint, health } }: Manifest): boolean {
  return entrypoint.health !== null || health.http !== null || health.tcp !== null;
}

/** Runs a pack's health checks once: healthy only where all of them are. */
export async function checkHealth(
  workspace: Workspace,
  pack: ScriptPack,
  signal?: AbortSignal,
): Promise<HealthReport> {
  const { entrypoint, health, safety } = pack.manifest.pack;
  const timeoutMs = safety.health_check_timeout_seconds * 1000;
  const report: HealthReport = {
    health: "unknown",
    rc: null,
    duration_ms: 0,
    output: "",
    detail: "it has no health check",
  };
  if (entrypoint.health !== null) {
    const script = await runScript(workspace, pack, "health", { timeoutMs, signal });
    report.health = script.rc === 0 ? "healthy" : "unhealthy";
    report.rc = script.rc;
    report.duration_ms += script.duration_ms;
    report.output = outputTail(script);
    report.detail = script.rc === 0 ? null : `its health check ${endingOf(script)}`;
    if (report.health === "unhealthy") return report;
  }
  const { http, tcp } = health;
  if (http === null && tcp === null) return report;
  // Loaded here: most packs have a script, and node:net takes a while.
  const { probeHttp, probeTcp } = await import("../process/probe.ts");
  const probes = [
    ...(http === null ? [] : [() => probeHttp(http, timeoutMs, signal)]),
    ...(tcp === null ? [] : [() => probeTcp(tcp, timeoutMs, signal)]),
  ];
  for (const probe of probes) {
    const result = await probe();
    report.health = result.healthy ? "healthy" : "unhealthy";
    report.duration_ms += Math.round(result.durationMs);
    report.detail = result.healthy ? null : result.detail;
    if (!result.healthy) return report;
  }
  return report;
}

/**
 * Waits until a started pack is healthy by its manifest's four clocks, and records what came of it.
 *
 * @throws {AuroraError} `denied` where its health check cannot be confined, which says nothing about its health
 */
export async function gateHealth(
  workspace: Workspace,
  pack: ScriptPack,
  signal: AbortSignal,
): Promise<StepDetail> {
  const { id, health } = pack.manifest.pack;
  if (!hasHealthCheck(pack.manifest))
    return { name: "health", rc: null, duration_ms: 0, output_tail: "", reason: null };
  let last: HealthReport | undefined;
  let denial: AuroraError | undefined;
  const denied = new AbortController();
  const started = performance.now();
  const { healthy, reason } = await runGate(
    health,
    async (probeSignal) => {
      const report = await checkHealth(workspace, pack, probeSignal).catch((thrown: unknown) => {
        if (thrown instanceof AuroraError && thrown.code === "denied") {
          denial = thrown;
          denied.abort();
        }
        throw thrown;
      });
      // A check that the deadline has ended says nothing about what it looked at.
      if (!probeSignal.aborted) last = report;
      return report.health === "healthy";
    },
    AbortSignal.any([signal, denied.signal]),
  );
  if (denial !== undefined) throw denial;
  // What answers may be something else that listens on its port.
  const down = healthy && isHosted(pack.manifest) ? await whyDown(workspace, pack) : null;
  const isHealthy = healthy && down === null;
  const why = down ?? last?.detail ?? reason;
  recordHealth(workspace, id, isHealthy ? "healthy" : "unhealthy", isHealthy ? null : why);
  return {
    name: "health",
    // Null says that nothing was decided: an interrupted gate is no evidence against the pack.
    rc:
      signal.aborted || (!isHealthy && wasStopped(workspace, pack)) ? null : (last?.rc ?? (healthy ? 0 : -1)),
    duration_ms: Math.round(performance.now() - started),
    output_tail: last?.output ?? "",
    reason: isHealthy
      ? null
      : signal.aborted
        ? `stopped by ${String(signal.reason)}`
        : `it is not healthy: ${why}`,
  };
}

/** Whether whoever runs a service has stopped it, as when the daemon ends with all services, or the machine goes down. */
function wasStopped({ registry }: Workspace, { manifest }: ScriptPack): boolean {
  const state = isHosted(manifest) ? serviceOf(registry, manifest.pack.id)?.state : undefined;
  return state === "stopping" || state === "stopped";
}

/** Tells the host that a service is healthy; why it cannot be, where the host knows better. */
async function whyDown(
  { services }: Workspace,
  { manifest, generation }: ScriptPack,
): Promise<string | null> {
  const found = await services?.vouch(manifest.pack.id, generation);
  if (found === undefined || hasStarted(found)) return null;
  return `its checks pass, and it is ${found.state}${found.reason === null ? "" : `: ${found.reason}`}`;
}

/** Why a pack is unhealthy, on one line: what went wrong, and the last that its check has printed. Null where it is not. */
export function whyUnhealthy({ health, detail, output }: HealthReport): string | null {
  if (health !== "unhealthy") return null;
  const said = oneLine(output.trimEnd().split("\n").at(-1) ?? "").trim();
  return `${detail ?? "its health check failed"}${said === "" ? "" : `: ${said}`}`;
}

/**
 * Notes how healthy a pack was found, and tells it where that has changed.
 *
 * @param reason why it is unhealthy
 */
export function recordHealth(
  workspace: Workspace,
  packId: string,
  health: Health,
  reason: string | null,
): void {
  const at = timestamp(workspace);
  workspace.registry.write(() => {
    // Whoever else has looked, as the daemon, may have told it already.
    const isNews = serviceOf(workspace.registry, packId)?.health !== health;
    setHealth(workspace.registry, packId, health, at, reason);
    if (!isNews) return;
    appendEvent(workspace.registry, { at, packId, kind: health, detail: reason === null ? {} : { reason } });
  });
}
