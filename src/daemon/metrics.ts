import { type PackStatus } from "../lifecycle/pack-status.ts";
import { type Usage } from "../process/usage.ts";

export type MetricsFacts = {
  version: string;
  /** Seconds since the epoch. */
  startedSeconds: number;
  packs: readonly PackStatus[];
  usage: ReadonlyMap<string, Usage>;
  http: { clients: number; streams: number; requests: number };
  residentBytes: number;
};

type Sample = { labels?: Readonly<Record<string, string>>; value: number };
type Metric = { name: string; type: "gauge" | "counter"; help: string; samples: Sample[] };

const states = ["installed", "starting", "running", "stopping", "stopped", "exited", "failed", "backoff"];

/** The metrics in Prometheus' text format 0.0.4. Pure. */
export function metricsText(facts: MetricsFacts): string {
  return `${metricsOf(facts).flatMap(linesOf).join("\n")}\n`;
}

function metricsOf({ version, startedSeconds, packs, usage, http, residentBytes }: MetricsFacts): Metric[] {
  const each = (value: (pack: PackStatus) => number): Sample[] =>
    packs.map((pack) => ({ labels: { pack: pack.pack_id }, value: value(pack) }));
  const used = (value: (usage: Usage) => number): Sample[] =>
    [...usage].map(([pack, one]) => ({ labels: { pack }, value: value(one) }));
  return [
    gauge("aurora_build_info", "The version of the daemon.", [{ labels: { version }, value: 1 }]),
    gauge("aurora_daemon_start_time_seconds", "When the daemon was started, since the epoch.", [
      { value: startedSeconds },
    ]),
    gauge("aurora_daemon_resident_memory_bytes", "Memory of the daemon itself.", [{ value: residentBytes }]),
    gauge("aurora_http_clients", "Clients connected to the daemon's socket.", [{ value: http.clients }]),
    gauge("aurora_http_streams", "Clients that follow the events.", [{ value: http.streams }]),
    counter("aurora_http_requests_total", "Requests that the daemon has answered.", [
      { value: http.requests },
    ]),
    gauge(
      "aurora_pack_info",
      "The version and generation of each live pack.",
      packs.map(({ pack_id, version: packVersion, generation }) => ({
        labels: { pack: pack_id, version: packVersion, generation: String(generation ?? "") },
        value: 1,
      })),
    ),
    gauge(
      "aurora_pack_state",
      "1 for the state that a pack is in, 0 for the others.",
      packs.flatMap(({ pack_id, state }) =>
        states.map((name) => ({ labels: { pack: pack_id, state: name }, value: name === state ? 1 : 0 })),
      ),
    ),
    gauge(
      "aurora_pack_up",
      "Whether the pack runs.",
      each(({ state }) => Number(state === "running")),
    ),
    gauge(
      "aurora_pack_healthy",
      "Whether the last health check of the pack has passed; 0 also where there was none.",
      each(({ health }) => Number(health === "healthy")),
    ),
    counter(
      "aurora_pack_restarts_total",
      "How often the service was started again by itself.",
      each(({ restarts }) => restarts),
    ),
    counter(
      "aurora_pack_cpu_seconds_total",
      "Processor time of the processes that the pack has now.",
      used(({ cpuSeconds }) => cpuSeconds),
    ),
    gauge(
      "aurora_pack_memory_bytes",
      "What is resident of the pack's processes; pages that several of them may share are counted once.",
      used(({ memoryBytes }) => memoryBytes),
    ),
    gauge(
      "aurora_pack_processes",
      "Processes of the pack.",
      used(({ processes }) => processes),
    ),
  ];
}

function gauge(name: string, help: string, samples: Sample[]): Metric {
  return { name, type: "gauge", help, samples };
}

function counter(name: string, help: string, samples: Sample[]): Metric {
  return { name, type: "counter", help, samples };
}

function linesOf({ name, type, help, samples }: Metric): string[] {
  if (samples.length === 0) return [];
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...samples.map(({ labels = {}, value }) => {
      const inner = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
      return `${name}${inner.length === 0 ? "" : `{${inner.join(",")}}`} ${value}`;
    }),
  ];
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
