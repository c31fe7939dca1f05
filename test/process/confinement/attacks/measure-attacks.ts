/** Tries every attack as whoever runs this, and prints what happened as JSON. Called by attacks.test.ts: PROGRAM DIRECTORY. */
import { type KernelFeatures, probeKernel, withReExec } from "../../../../src/process/confinement/kernel.ts";
import { packUser } from "../../../../src/process/confinement/pack-user.ts";
import { AttackRange } from "./attack-range.ts";
import { attacks } from "./attack-table.ts";

const off = "switched off for this test";

/** Errno by configuration; 0 is success. */
type Outcome = Record<
  | "none"
  | "start"
  | "landlock"
  | "seccomp"
  | "mount-namespace"
  | "process-namespace"
  | "network-namespace"
  | "all"
  | "re-exec",
  number
> & {
  /** All layers, for root as a user of the pack's own; undefined for others. */
  "own-user"?: number;
};
export type Measurement = { features: KernelFeatures; outcomes: Record<string, Outcome> };

/**
 * The control, no layer, each layer by itself, all of them, and all that there are without the launcher. The namespaces for
 * processes and the network are not without the one for mounts.
 */
function configurations(
  features: KernelFeatures,
): Record<Exclude<keyof Outcome, "own-user">, KernelFeatures | null> {
  const { landlock, landlockAbi, seccomp, mountNamespace, processNamespace, networkNamespace } = features;
  const noNamespaces = { mountNamespace: off, processNamespace: off, networkNamespace: off };
  const start = { ...features, landlock: off, landlockAbi: 0, seccomp: off, ...noNamespaces };
  return {
    none: null,
    start,
    landlock: { ...start, landlock, landlockAbi },
    seccomp: { ...start, seccomp },
    "mount-namespace": { ...start, mountNamespace },
    "process-namespace": { ...start, mountNamespace, processNamespace },
    "network-namespace": { ...start, mountNamespace, networkNamespace },
    all: features,
    "re-exec": withReExec(features),
  };
}

if (import.meta.main) {
  const [program = "", directory = ""] = process.argv.slice(2);
  const features = probeKernel();
  await using range = new AttackRange(program, directory);
  await range.open();
  const limits = { memory_bytes: 128 << 20, processes: 30, open_files: 64, file_size_bytes: 1 << 20 };
  const policy = range.policy({}, limits);
  const uid = packUser("attacker", new Set());
  const outcomes: Measurement["outcomes"] = {};
  for (const { name } of attacks) {
    const outcome = {} as Outcome;
    for (const [configuration, kernel] of Object.entries(configurations(features)))
      outcome[configuration as keyof Outcome] = await range.try(name, policy, kernel);
    if (features.ownUser === null) outcome["own-user"] = await range.try(name, { ...policy, uid }, features);
    outcomes[name] = outcome;
  }
  console.log(JSON.stringify({ features, outcomes } satisfies Measurement));
}
