import { systemReason } from "../../errors.ts";
import { type AuditRecord, AuditSocket, isAuditOn } from "../../system/audit-socket.ts";
import { randomHex } from "../../system/random-id.ts";
import { type AuditReports, openDomains, parseReports } from "./audit-records.ts";
import { type Reason } from "./kernel.ts";
import { AUDIT_ABI } from "./landlock-rules.ts";
import { isEnforced, type Layer, type LayerName } from "./layers.ts";
import { LAUNCHER_NAME } from "./process-names.ts";
import { type Arch } from "./system-calls.ts";

/** What an audit run can say of one layer. */
export type AuditCoverage = {
  layer: LayerName;
  /**
   * "reported": what it would refuse is done, and the kernel says so. "refused": it holds, and the kernel tells what it refuses.
   * "enforced": it holds as ever. "untold": it is switched off, and nothing tells what it would have refused.
   */
  state: "reported" | "refused" | "enforced" | "untold";
  /** Why it cannot be told; null where it can. */
  reason: string | null;
};

const LANDLOCK: readonly LayerName[] = ["landlock-files", "landlock-ports", "landlock-scopes"];
const UNTOLD: Partial<Record<LayerName, string>> = {
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
 * lets everything through and reports it. Landlock refuses, and where the kernel tells what, that is worth more than a run that
 * gets further.
 *
 * @param landlock why the kernel does not log what Landlock refuses; null where it does
 */
export function auditLayers(
  layers: readonly Layer[],
  landlock: Reason,
): { layers: Layer[]; coverage: AuditCoverage[] } {
  // The filter is what an audit's start is made with.
  const cannotLog = isEnforced(layers, "seccomp")
    ? landlock
    : "there is no audit without the filter for system calls";
  const coverage = layers.map(({ name, enforced, reason }): AuditCoverage => {
    if (!enforced) return { layer: name, state: "untold", reason };
    if (name === "seccomp") return { layer: name, state: "reported", reason: null };
    if (ENFORCED.includes(name)) return { layer: name, state: "enforced", reason: null };
    if (!LANDLOCK.includes(name))
      return { layer: name, state: "untold", reason: UNTOLD[name] ?? "it can only refuse" };
    return cannotLog === null
      ? { layer: name, state: "refused", reason: null }
      : { layer: name, state: "untold", reason: `Landlock can only refuse, and ${cannotLog}` };
  });
  const reasonOf = ({ state, reason }: AuditCoverage) =>
    state === "reported"
      ? "this is an audit: what it would refuse is reported"
      : `this is an audit: ${reason}`;
  return {
    layers: layers.map((layer, index) => {
      const covered = coverage[index] as AuditCoverage;
      return layer.enforced && (covered.state === "reported" || covered.state === "untold")
        ? { ...layer, enforced: false, reason: reasonOf(covered) }
        : layer;
    }),
    coverage,
  };
}

/** Why the kernel does not tell what Landlock refuses; null where it does. */
export function landlockAuditReason(landlockAbi: number): Reason {
  if (landlockAbi < AUDIT_ABI)
    return `this kernel does not tell what it refuses: that needs Landlock ABI ${AUDIT_ABI}, and this kernel has ${landlockAbi}`;
  try {
    return isAuditOn()
      ? null
      : "the kernel's audit is switched off (auditctl -e 1, or audit=1 on the kernel's command line)";
  } catch (thrown) {
    return `the kernel's audit does not answer: ${systemReason(thrown) ?? String(thrown)}`;
  }
}

/** So that one run's mark is not another's. */
const MARK_BYTES = 8;
/** How long records may be on their way, in milliseconds. */
const DELIVERY_MS = 10_000;
/** How long the kernel may take to do away with what an audit run was restricted by, in milliseconds. */
const CLEARING_MS = 500;
/** What restricts itself by Landlock before it executes an audit run's command: the launcher, or this program in its place. */
const isLauncher = (program: string) =>
  program.startsWith(`/memfd:${LAUNCHER_NAME}`) || program === process.execPath;

/**
 * Collects what the kernel's audit reports of audit runs: make it before the start. It is the machine's: what other audit runs do at
 * the same time is in it as well. Only root can have it.
 */
export class AuditLog implements Disposable {
  readonly #socket: AuditSocket | undefined;
  readonly #reason: string = "";

  constructor() {
    try {
      this.#socket = new AuditSocket();
    } catch (thrown) {
      this.#reason = systemReason(thrown) ?? String(thrown);
    }
  }

  /** What has been reported so far. Waits until all that was written before has come. */
  read(arch: Arch): AuditReports {
    if (this.#socket === undefined) return { reports: undefined, reason: this.#reason };
    try {
      const records = this.#collect(this.#socket);
      const { reports, isComplete } = parseReports(records, arch, isLauncher);
      return { reports, isComplete: isComplete && !this.#socket.hasLost };
    } catch (thrown) {
      return { reports: undefined, reason: systemReason(thrown) ?? String(thrown) };
    }
  }

  [Symbol.dispose](): void {
    this.#socket?.[Symbol.dispose]();
  }

  #collect(socket: AuditSocket): AuditRecord[] {
    const records: AuditRecord[] = [];
    const mark = `aurora has read the reports of an audit run ${randomHex(MARK_BYTES)}`;
    socket.mark(mark);
    for (;;) {
      const record = socket.next(DELIVERY_MS);
      if (record === undefined) throw new Error("the kernel's audit keeps its records to itself");
      if (record.text.includes(mark)) break;
      records.push(record);
    }
    // The last of a domain says how much it has refused; a process that was left behind keeps it.
    for (let left = openDomains(records, isLauncher); left > 0; left = openDomains(records, isLauncher)) {
      const record = socket.next(CLEARING_MS);
      if (record === undefined) break;
      records.push(record);
    }
    return records;
  }
}
