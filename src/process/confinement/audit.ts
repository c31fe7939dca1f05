import { closeSync, constants, openSync, readSync } from "node:fs";

import { systemReason } from "../../errors.ts";
import { type Layer, type LayerName } from "./layers.ts";
import { type Arch, nameOfSystemCall } from "./system-calls.ts";

/** What an audit run can say of one layer. */
export type AuditCoverage = {
  layer: LayerName;
  /**
   * "reported": what it would refuse is done, and the kernel's log says so. "enforced": it holds as ever. "untold": it is
   * switched off, and nothing tells what it would have refused.
   */
  state: "reported" | "enforced" | "untold";
  /** Why it cannot be told; null where it can. */
  reason: string | null;
};

/** One system call that the policy would have refused. */
export type AuditReport = { pid: number; command: string; call: string };

/** What was found, or why nothing can be. `isComplete` is false where the kernel has left lines out. */
export type AuditReports =
  { reports: AuditReport[]; isComplete: boolean } | { reports: undefined; reason: string };

const UNTOLD: Partial<Record<LayerName, string>> = {
  "landlock-files": "Landlock can only refuse: it has no mode in which it reports",
  "landlock-ports": "Landlock can only refuse: it has no mode in which it reports",
  "landlock-scopes": "Landlock can only refuse: it has no mode in which it reports",
  "mount-namespace": "a read-only mount can only refuse",
  "process-namespace": "what cannot be seen is not reported",
  "network-namespace": "what cannot be reached is not reported",
  "no-new-privileges":
    "the kernel does not report privileges that were not gained; set-id programs gain none here either",
};
/** They hurt nobody, and hold in an audit as well. */
const ENFORCED: readonly LayerName[] = [
  "limits",
  "process-limit",
  "control-group",
  "memory-watch",
  "own-user",
  "reaper",
];

/**
 * The layers of an audit run, and what it tells of each: pure. Only the filter for system calls has a mode in which the kernel
 * lets everything through and reports it.
 */
export function auditLayers(layers: readonly Layer[]): { layers: Layer[]; coverage: AuditCoverage[] } {
  const coverage = layers.map(({ name, enforced, reason }): AuditCoverage => {
    if (!enforced) return { layer: name, state: "untold", reason };
    if (name === "seccomp") return { layer: name, state: "reported", reason: null };
    if (ENFORCED.includes(name)) return { layer: name, state: "enforced", reason: null };
    return { layer: name, state: "untold", reason: UNTOLD[name] ?? "it can only refuse" };
  });
  const reasonOf = ({ state, reason }: AuditCoverage) =>
    state === "reported"
      ? "this is an audit: what it would refuse is reported"
      : `this is an audit: ${reason}`;
  return {
    layers: layers.map((layer, index) => {
      const covered = coverage[index] as AuditCoverage;
      return layer.enforced && covered.state !== "enforced"
        ? { ...layer, enforced: false, reason: reasonOf(covered) }
        : layer;
    }),
    coverage,
  };
}

const LOG_FILE = "/dev/kmsg";
const LINE_BYTES = 8192;
/** audit(8)'s record type for seccomp, and the action that lets a call through. */
const RECORD =
  /audit: type=1326 .* pid=(\d+) comm=(?:"([^"]*)"|([0-9A-F]+)) .* syscall=(\d+) .* code=0x7ffc0000/;
const SUPPRESSED = /audit: .*(suppressed|lost|limit)/;

/**
 * Reads from the kernel's log what audit runs have been reported for. Make it before the start, since it begins at the end
 * of the log. The log is root's, and it is the machine's: what other audit runs do at the same time is in it as well. Where
 * auditd runs, the kernel gives the records to it instead: `ausearch -m SECCOMP`.
 */
export class AuditLog {
  readonly #descriptor: number | undefined;
  readonly #reason: string = "";

  /** @param file the kernel's log */
  constructor(file = LOG_FILE) {
    try {
      this.#descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
      this.#lines();
    } catch (thrown) {
      this.#reason = `cannot read "${file}": ${systemReason(thrown) ?? String(thrown)}`;
    }
  }

  /** What has been reported since the last call. */
  read(arch: Arch): AuditReports {
    if (this.#descriptor === undefined) return { reports: undefined, reason: this.#reason };
    return parseReports(this.#lines(), arch);
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
  }

  #lines(): string[] {
    const lines: string[] = [];
    const buffer = Buffer.allocUnsafe(LINE_BYTES);
    for (;;)
      try {
        const length = readSync(this.#descriptor as number, buffer);
        lines.push(buffer.toString("utf8", 0, length));
      } catch (thrown) {
        // EPIPE: lines were overwritten before they were read, and the next one follows.
        if ((thrown as NodeJS.ErrnoException).code !== "EPIPE") return lines;
        lines.push("audit: lines were lost");
      }
  }
}

/** Picks the reports out of lines of the kernel's log: pure. */
export function parseReports(lines: readonly string[], arch: Arch): AuditReports {
  const reports = lines.flatMap((line): AuditReport[] => {
    const match = RECORD.exec(line);
    if (match === null) return [];
    const [, pid, quoted, encoded, number] = match;
    const command = quoted ?? Buffer.from(encoded ?? "", "hex").toString();
    const call = nameOfSystemCall(Number(number), arch) ?? `system call ${number}`;
    return [{ pid: Number(pid), command, call }];
  });
  return { reports, isComplete: !lines.some((line) => SUPPRESSED.test(line)) };
}
