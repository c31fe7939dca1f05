import { chmodSync, closeSync, mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";

import { prepareConfinement } from "../../../src/process/confinement/confine.ts";
import { type KernelFeatures } from "../../../src/process/confinement/kernel.ts";
import { packPolicy, type Policy } from "../../../src/process/confinement/policy.ts";
import { spawnConfined } from "../../../src/process/confinement/spawn-confined.ts";
import { readSystemFiles } from "../../../src/process/confinement/system-files.ts";
import { openPipe } from "../../../src/system/pipe.ts";
import { scratch } from "../../support/aurora.ts";

const noLimits: Policy["limits"] = {
  memory_bytes: null,
  processes: null,
  open_files: null,
  file_size_bytes: null,
  cpu_seconds: null,
};

/** A policy for a pack below `home`, with the directories `tree`, `data`, `logs` and `tmp` in it. */
export function policyIn(
  home: string,
  permissions: Partial<Parameters<typeof packPolicy>[0]["permissions"]> = {},
  limits: Partial<Policy["limits"]> = {},
): Policy {
  return packPolicy({
    system: readSystemFiles(performance.now(), process.geteuid?.() === 0),
    tree: join(home, "tree"),
    dataDir: join(home, "data"),
    logDir: join(home, "logs"),
    scratchDir: join(home, "tmp"),
    home,
    permissions: {
      read: [],
      write: [],
      run: [],
      net: { connect: [], listen: [], udp: false },
      unix: false,
      ...permissions,
    },
    limits: { ...noLimits, ...limits },
    runtime: [],
    signals: "inside",
    allowAll: false,
  });
}

/**
 * Starts a shell script under a policy, in the data directory of a home and as the leader of a session.
 *
 * @returns the started, and the descriptor that its output is read from
 */
export function startScript(home: string, script: string, policy: Policy, kernel: KernelFeatures) {
  const pipe = openPipe();
  const started = spawnConfined(
    {
      argv: ["sh", "-c", script],
      cwd: join(home, "data"),
      env: { PATH: "/usr/bin:/bin" },
      stdin: "ignore",
      stdout: pipe.write,
      stderr: "inherit",
      newSession: true,
    },
    prepareConfinement(policy, kernel, { required: true }),
  );
  closeSync(pipe.write);
  return { ...started, output: pipe.read };
}

/** Makes a home with the directories that `policyIn` names. */
export function makeHome(home: string): void {
  for (const name of ["", "tree", "data", "logs", "tmp"]) mkdirSync(join(home, name), { recursive: true });
}

/** A home of a test's own, which other users may pass through; removed when it is disposed. */
export function confinedHome(): ReturnType<typeof scratch> {
  const place = scratch();
  const path = realpathSync(place.path);
  chmodSync(path, 0o711);
  makeHome(path);
  return { ...place, path };
}
