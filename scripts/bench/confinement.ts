/** What confinement adds to a start of /bin/true. `bun scripts/bench.ts confinement` prints it. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { prepareConfinement } from "../../src/process/confinement/confine.ts";
import { type KernelFeatures, probeKernel } from "../../src/process/confinement/kernel.ts";
import { packUser } from "../../src/process/confinement/pack-user.ts";
import { packPolicy, type Policy } from "../../src/process/confinement/policy.ts";
import { readSystemFiles } from "../../src/process/confinement/system-files.ts";
import { skipped } from "./peer.ts";
import type { BenchRow } from "./row.ts";

const ROUNDS = 300;
const WARM_UP_ROUNDS = 30;
/** Against the same program, started with nothing in between. */
const TARGET_RATIO = 4;
const command = {
  file: "/bin/true",
  argv: ["true"],
  cwd: "/",
  env: {},
  newSession: true,
  hasShellFallback: false,
};

/** All take turns within one run, so that whatever else the machine does meets all of them. */
export async function bench(): Promise<BenchRow[]> {
  const home = mkdtempSync(join(tmpdir(), "aurora-bench-"));
  try {
    const features = probeKernel();
    if (features.launcher !== null || features.landlock !== null) return [];
    const policy = policyOf(home);
    const ways: Record<string, () => Promise<void>> = {
      "Bun.spawn": async () => await spawn(["/bin/true"]),
      confined: confined(policy, features),
      "confined, without namespaces": confined({ ...policy, namespaces: false }, features),
    };
    const bwrap = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev"];
    const others: Record<string, string[]> = {
      bwrap: [...bwrap, "--proc", "/proc", "--bind", home, home, "--", "/bin/true"],
      unshare: ["unshare", "-Urmpf", "--mount-proc", "/bin/true"],
    };
    for (const [name, argv] of Object.entries(others))
      if (Bun.which(name) === null) skipped(name);
      else ways[name] = async () => await spawn(argv);
    return rowsOf(await takeTurns(ways));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** As a pack runs: for root, as a user of its own. */
function policyOf(home: string): Policy {
  const isRoot = process.geteuid?.() === 0;
  const uid = packUser("bench", new Set());
  const [tree, dataDir, logDir, scratchDir] = ["tree", "data", "logs", "tmp"].map((name) => join(home, name));
  for (const path of [tree, dataDir, logDir, scratchDir]) mkdirSync(path as string);
  return packPolicy({
    system: readSystemFiles(performance.now(), false),
    ...(isRoot ? { user: { uid, gid: uid } } : {}),
    tree: tree as string,
    dataDir: dataDir as string,
    logDir: logDir as string,
    scratchDir: scratchDir as string,
    home,
    permissions: { read: [], write: [], run: [], net: { connect: [], listen: [], udp: false }, unix: false },
    limits: {
      memory_bytes: null,
      processes: null,
      open_files: 1024,
      file_size_bytes: null,
      cpu_seconds: null,
    },
    runtime: [],
    signals: "inside",
    allowAll: false,
  });
}

/** As a daemon does it: the policy is prepared once, each start compiles its own image. */
function confined(policy: Policy, features: KernelFeatures): () => Promise<void> {
  const { launch } = prepareConfinement(policy, features, { required: true });
  return async () => {
    using launched = launch?.(command);
    if (launched === undefined) throw new Error("not confined");
    await spawn([launched.file], launched.descriptors);
  };
}

async function spawn(argv: string[], more: readonly number[] = []): Promise<void> {
  const child = Bun.spawn(argv, { env: {}, cwd: "/", stdio: ["ignore", "ignore", "ignore", ...more] });
  const code = await child.exited;
  if (code !== 0) throw new Error(`${argv.join(" ")} ended with code ${code}`);
}

async function takeTurns(ways: Record<string, () => Promise<void>>): Promise<Record<string, number[]>> {
  const times: Record<string, number[]> = {};
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++)
    for (const [name, once] of Object.entries(ways)) {
      const started = performance.now();
      await once();
      if (round >= 0) (times[name] ??= []).push(performance.now() - started);
    }
  return times;
}

function rowsOf(times: Record<string, number[]>): BenchRow[] {
  const medianOf = (name: string) => {
    const sorted = (times[name] as number[]).toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] as number;
  };
  const row = (name: string, against: string, target?: number): BenchRow => {
    const value = medianOf(name);
    const more = target === undefined ? {} : { target };
    return { name: `${name} true`, value, unit: "ms", ratio: value / medianOf(against), against, ...more };
  };
  return [
    row("confined", "Bun.spawn", TARGET_RATIO),
    row("confined, without namespaces", "Bun.spawn", TARGET_RATIO),
    ...(times["bwrap"] ? [row("confined", "bwrap", 1)] : []),
    ...(times["unshare"] ? [row("confined", "unshare")] : []),
  ];
}
