import { closeSync, mkdirSync } from "node:fs";

import { serviceLogs } from "../process/service-log.ts";
import { type ChildOptions, spawnChild } from "../process/spawn-child.ts";
import { isAlive, type ProcessIdentity } from "../process/tree.ts";
import { openLog } from "../system/open-untrusted.ts";
import { openPidDescriptor } from "../system/pid-descriptor.ts";
import { readProcess } from "../system/process-table.ts";
import { onceReadable } from "../system/readable.ts";
import { type ServiceSpec } from "./service-spec.ts";
import { SERVICE_VARIABLE } from "./service-tree.ts";

/** What a service creates is closed to everybody but its user and group. */
const UMASK = 0o027;
/** Where the kernel has no pidfds, an adopted process is looked at so often, in milliseconds. */
const POLL_MS = 1000;

export type Leader = Pick<ProcessIdentity, "pid" | "startTime" | "bootId">;

/**
 * Starts the first process of a service: in a session of its own, with no input, its output appended to its logs by
 * descriptor, so that no byte of it goes through this program and it lives on without it.
 *
 * @param onExit called when it has ended
 * @param spawn starts a process; another one may confine it
 * @throws {AuroraError} as `spawnChild`; the error of open(2) where a log cannot be opened
 */
export function startServiceProcess(
  spec: ServiceSpec,
  serviceId: string,
  notifyAddress: string | undefined,
  onExit: (child: Bun.Subprocess) => void,
  spawn: (options: ChildOptions, spec: ServiceSpec) => Bun.Subprocess = spawnChild,
): { child: Bun.Subprocess; leader: Omit<Leader, "bootId"> } {
  // Without a wait for the disk: after a crash of the machine it is made again.
  mkdirSync(spec.logDirectory, { recursive: true, mode: 0o700 });
  const logs = serviceLogs(spec.logDirectory);
  const stdout = openLog(logs.stdout);
  try {
    const stderr = openLog(logs.stderr);
    try {
      const child = spawn(
        {
          argv: spec.argv,
          cwd: spec.cwd,
          env: { ...spec.env(), ...notifyVariables(spec, notifyAddress), [SERVICE_VARIABLE]: serviceId },
          stdin: "ignore",
          stdout,
          stderr,
          newSession: true,
          umask: UMASK,
          onExit,
        },
        spec,
      );
      const { pid } = child;
      // It is there, as a zombie at least, until the runtime has waited for it.
      return { child, leader: { pid, startTime: readProcess(pid)?.startTime ?? 0 } };
    } finally {
      closeSync(stderr);
    }
  } finally {
    closeSync(stdout);
  }
}

function notifyVariables(spec: ServiceSpec, address: string | undefined): Record<string, string> {
  if (spec.type !== "notify" || address === undefined) return {};
  const { watchdogSeconds } = spec;
  return {
    NOTIFY_SOCKET: address,
    ...(watchdogSeconds === undefined ? {} : { WATCHDOG_USEC: String(Math.round(watchdogSeconds * 1e6)) }),
  };
}

/**
 * Calls `ended` once when a process that is no child of this one has ended. Its exit code is its parent's to see.
 *
 * @returns stops watching
 */
export function watchForeign(leader: Leader, ended: () => void): () => void {
  const descriptor = openPidDescriptor(leader.pid);
  if (descriptor === undefined) {
    const timer = setInterval(() => {
      if (isAlive(leader)) return;
      clearInterval(timer);
      ended();
    }, POLL_MS);
    return () => clearInterval(timer);
  }
  const end = () => {
    closeSync(descriptor);
    ended();
  };
  // From here on the number stays this process's. If it has ended before, the number may be another's already.
  if (!isAlive(leader)) {
    queueMicrotask(end);
    return () => {};
  }
  const unwatch = onceReadable(descriptor, end);
  return () => {
    if (unwatch()) closeSync(descriptor);
  };
}
