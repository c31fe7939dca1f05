import { type PlanDocument } from "../../lifecycle/plan-document.ts";
import { printableName } from "../../vfs/raw-name.ts";

/** So many changed files are listed for people; `--json` has all. */
const MAX_SHOWN_FILES = 20;

/** The plan as the operator reads it before approving: no name in it can pass for a line of it, or move the cursor over one. */
export function planText(document: PlanDocument): string {
  const { actions, files, permissions } = document;
  const lines = actions.flatMap(({ action, pack_id, from_version, to_version, data_of_generation }) => {
    if (action === "none") return [`  ${pack_id} ${to_version} is live already`];
    const versions =
      from_version === null || from_version === to_version ? to_version : `${from_version} → ${to_version}`;
    return [
      `  ${action} ${pack_id} ${versions}`,
      ...(data_of_generation === null
        ? []
        : [`    its data goes back to what generation ${data_of_generation} left`]),
    ];
  });
  const changes = [
    ...files.added.map((path) => `  + ${printableName(path)}`),
    ...files.changed.map((path) => `  ~ ${printableName(path)}`),
    ...files.removed.map((path) => `  - ${printableName(path)}`),
  ];
  const more = changes.length - MAX_SHOWN_FILES;
  return [
    document.changed ? "This will be done:" : "Nothing changes:",
    ...lines,
    ...(changes.length === 0 ? [] : ["Files:", ...changes.slice(0, MAX_SHOWN_FILES)]),
    ...(more > 0 ? [`  … and ${more} more`] : []),
    ...(document.changed
      ? ["Permissions:", ...permissions.map((pack) => `  ${pack.pack_id}: ${permissionText(pack)}`)]
      : []),
    ...(document.mounts.length > 0 ? ["Mounts:", ...document.mounts.map(mountLine)] : []),
    ...(document.shares.length > 0 ? ["Shares:", ...document.shares.map(shareLine)] : []),
    ...(document.changed
      ? ["Confinement:", ...document.confinement.map((pack) => `  ${pack.pack_id}: ${confinementText(pack)}`)]
      : []),
    `Plan: ${document.plan_digest}`,
  ].join("\n");
}

function mountLine({ pack_id, path, from, source, mode }: PlanDocument["mounts"][number]): string {
  const what = from === null ? `this machine's ${source}` : `${source} of the data of ${from}`;
  return `  ${pack_id}: ${printableName(what)} at ${printableName(path)}, ${mode === "ro" ? "read-only" : "writable"}`;
}

function shareLine({ pack_id, path, with: packs, mode }: PlanDocument["shares"][number]): string {
  return `  ${pack_id}: ${printableName(path)} with ${packs.join(", ")}, ${mode === "ro" ? "read-only" : "writable"}`;
}

/** How far it is confined, by what, and what is missing. */
function confinementText({ state, layers }: PlanDocument["confinement"][number]): string {
  if (state === "allow-all") return "none, by --allow-all";
  const holding = layers.filter(({ enforced }) => enforced).map(({ name }) => name);
  const missing = layers.filter(({ reason, enforced }) => !enforced && reason !== null);
  return [
    `${state}${holding.length === 0 ? "" : `, by ${holding.join(", ")}`}`,
    ...missing.map(({ name, reason }) => `    without ${name}: ${reason}`),
  ].join("\n");
}

function permissionText(pack: PlanDocument["permissions"][number]): string {
  const { read, write, run, net, unix, env, user, limits, allow_all, grows } = pack;
  if (allow_all) return "everything, unconfined (--allow-all)";
  const limited = Object.entries(limits).filter(([, limit]) => limit !== null);
  const parts = [
    ...(read.length > 0 ? [`reads ${named(read)}`] : []),
    ...(write.length > 0 ? [`writes ${named(write)}`] : []),
    ...(run.length > 0 ? [`runs ${named(run)}`] : []),
    ...(net.connect.length > 0 ? [`connects to port ${net.connect.join(", ")}`] : []),
    ...(net.listen.length > 0 ? [`listens on port ${net.listen.join(", ")}`] : []),
    ...(net.udp ? ["uses UDP"] : []),
    ...(unix ? ["uses Unix sockets"] : []),
    ...(user === "root" ? ["runs as root"] : []),
    ...(env.length > 0 ? [`sees ${env.join(", ")}`] : []),
  ];
  return [
    parts.length === 0 ? "nothing beyond the baseline" : parts.join("; "),
    ...(limited.length > 0
      ? [`    limits: ${limited.map(([name, limit]) => `${name} ${limit}`).join(", ")}`]
      : []),
    ...(grows.length > 0 ? [`    new, and to be approved: ${grows.map(printableName).join("; ")}`] : []),
  ].join("\n");
}

const named = (paths: readonly string[]): string => paths.map(printableName).join(", ");
