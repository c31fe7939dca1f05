import { type KernelFeatures } from "./kernel.ts";
import { isEnforced, type Layer, type LayerName, layersFor } from "./layers.ts";
import { type Policy } from "./policy.ts";

/** One line of what a command may do. */
export type Explanation = {
  /** "write /srv/data", "connect to TCP port 443". */
  what: string;
  /** "open": it is not granted, but nothing on this kernel stops it. */
  verdict: "allowed" | "denied" | "open";
  /** The layer that enforces it, or why none does. */
  by: string;
};

/**
 * What a policy means on a kernel, for people who review a plan: pure. First what is allowed, then what is denied, then the
 * limits. The order is always the same.
 */
export function explainPolicy(policy: Policy, features: KernelFeatures, isRoot: boolean): Explanation[] {
  const layers = layersFor(policy, features, isRoot);
  if (policy.unconfined)
    return [
      { what: "anything", verdict: "allowed", by: "the operator has allowed everything (--allow-all)" },
      ...limits(policy, layers),
    ];
  return [...allowed(policy, layers), ...denied(policy, layers), ...limits(policy, layers)];
}

/** The lines as text: what, verdict and layer, between middle dots. */
export function explanationText(lines: readonly Explanation[]): string[] {
  return lines.map(({ what, verdict, by }) => `${what} · ${verdict} · ${by}`);
}

function allowed(policy: Policy, layers: readonly Layer[]): Explanation[] {
  const { net } = policy;
  const line = (what: string, name: LayerName): Explanation => ({
    what,
    verdict: "allowed",
    by: statusOf(layers, name),
  });
  return [
    line("read and execute the system", "landlock-files"),
    line("read /etc without its secrets, /proc, and the facts in /sys", "landlock-files"),
    ...policy.execute.map((path) => line(`read and execute ${path}`, "landlock-files")),
    ...policy.programs.map((name) => line(`execute the program ${name}`, "landlock-files")),
    ...policy.read.map((path) => line(`read ${path}`, "landlock-files")),
    ...[...policy.write, ...policy.memory].map((path) => line(`write ${path}`, "landlock-files")),
    ...net.connect.map((port) => line(`connect to TCP port ${port} of any host`, "landlock-ports")),
    ...net.listen.map((port) => line(`listen on TCP port ${port}`, "landlock-ports")),
    ...(net.listen.length > 0 ? [line("listen on a TCP port of the kernel's choice", "seccomp")] : []),
    ...(net.udp ? [line("send and receive UDP on any port, to any host", "seccomp")] : []),
    ...(policy.unix ? [line("connect to any Unix socket that the file permissions allow", "seccomp")] : []),
    ...(policy.signals === "user"
      ? [
          {
            what: "send signals to processes of its user",
            verdict: "allowed",
            by: "the kernel's usual rules",
          } as const,
        ]
      : []),
    ...(policy.notify && !policy.unix ? [line("send to Unix datagram sockets", "seccomp")] : []),
  ];
}

function denied(policy: Policy, layers: readonly Layer[]): Explanation[] {
  const { net, unix } = policy;
  const line = (what: string, ...names: LayerName[]): Explanation => {
    const holding = names.find((name) => isEnforced(layers, name));
    if (holding !== undefined) return { what, verdict: "denied", by: holding };
    return { what, verdict: "open", by: statusOf(layers, names[0] as LayerName) };
  };
  const hasTcp = net.connect.length > 0 || net.listen.length > 0;
  return [
    line("read, write, create, rename or delete any other file", "landlock-files"),
    line("change modes, owners or times of files outside", "mount-namespace"),
    hasTcp ? line("any other TCP port", "landlock-ports") : line("TCP", "seccomp"),
    ...(net.udp ? [] : [line("UDP", "seccomp")]),
    ...(unix ? [] : [line("Unix sockets, but pairs of its own", "seccomp", "landlock-scopes")]),
    line("every other kind of socket", "seccomp"),
    ...(policy.signals === "user"
      ? []
      : [line("signals to processes outside", "landlock-scopes", "process-namespace")]),
    line("memory, environment and files of processes outside", "landlock-files", "process-namespace"),
    line("mounts, namespaces, kernel modules, BPF, keys, tracing, io_uring", "seccomp"),
    line("set-id programs and files, capabilities", "no-new-privileges"),
  ];
}

const limitNames = {
  memory_bytes: (value: number) => `memory of all its processes above ${value} bytes`,
  open_files: (value: number) => `more than ${value} open files in a process`,
  file_size_bytes: (value: number) => `files above ${value} bytes`,
  cpu_seconds: (value: number) => `more than ${value} s of processor time in a process`,
  processes: (value: number) => `more than ${value} processes`,
} as const;

/** What counts for all processes together has a layer of its own where there is no control group. */
const ownLayers: Partial<Record<string, LayerName>> = {
  processes: "process-limit",
  memory_bytes: "memory-watch",
};

function limits({ limits: values }: Policy, layers: readonly Layer[]): Explanation[] {
  return Object.entries(limitNames).flatMap(([name, text]): Explanation[] => {
    const value = values[name as keyof typeof limitNames];
    if (value === null) return [];
    const own = ownLayers[name];
    const layer =
      own !== undefined && isEnforced(layers, "control-group") ? "control-group" : (own ?? "limits");
    const isHeld = isEnforced(layers, layer);
    return [{ what: text(value), verdict: isHeld ? "denied" : "open", by: statusOf(layers, layer) }];
  });
}

function statusOf(layers: readonly Layer[], name: LayerName): string {
  const layer = layers.find((one) => one.name === name);
  return layer?.reason ? `${name} is not available: ${layer.reason}` : name;
}
