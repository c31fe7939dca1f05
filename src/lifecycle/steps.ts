import { type EnvironmentRow } from "../registry/environment.ts";
import { type NamespaceRow } from "../registry/namespaces.ts";
import { type SnapshotName } from "./data-snapshot.ts";

/**
 * One step of a transaction. Each can be done again after a crash in its middle, and undone after it was begun.
 *
 * | step | does | undo |
 * | --- | --- | --- |
 * | install | runs `install --install` in the new tree | nothing: what it has changed in the data stays |
 * | stop | stops the old service | starts it again where it ran, and checks its health; where it was tried, it is tried again |
 * | snapshot | copies the data, where the manifest asks for it | puts the copy back |
 * | restore | brings the data back that an earlier generation left, for a rollback | nothing: the undo of the snapshot does it |
 * | switch | points `live` at the new tree, by one rename | points it back, or removes it |
 * | start | starts the new service | stops it |
 * | health | waits until it is healthy | nothing |
 */
export type Step = { kind: StepKind; pack_id: string };
export type StepKind = "install" | "stop" | "snapshot" | "restore" | "switch" | "start" | "health";

export type TransactionPack = {
  pack_id: string;
  /** What was live before; null for nothing. */
  from: { generation: number; digest: string; version: string; allow_all: number } | null;
  /** What is to be live; null for a removal. */
  to: {
    generation: number;
    digest: string;
    version: string;
    parent: number | null;
    allow_all: number;
  } | null;
  /** Whether the service ran before, and so has to run again after a rollback. */
  was_running: boolean;
  /** Whether its supervisor was at it without its running: after a rollback it is at it again, whatever comes of that. */
  was_tried: boolean;
  /** Why there is a new generation, for the history: "rollback to generation 2". */
  reason: string | null;
  /** The namespace entry and the variables before, for a rollback. */
  namespace: NamespaceRow | null;
  environment: EnvironmentRow[];
  /** The format of the data before. */
  data_epoch: number | null;
  /** The snapshot that becomes the data; null leaves the data as it is. */
  restore: SnapshotName | null;
};

/** All that a transaction is: what recovery reads after a crash. */
export type TransactionPlan = {
  steps: Step[];
  packs: TransactionPack[];
  /** On a removal: also the data, logs, variables and snapshots. */
  purge: boolean;
};

export type PackNeeds = {
  pack: TransactionPack;
  hasInstallScript: boolean;
  wantsSnapshot: boolean;
  /** Whether the new service is to run. */
  start: boolean;
};

/**
 * The steps of a transaction. All that can fail without anybody noticing comes first: the install scripts run while the old
 * services still do. Services stop in reverse order of dependencies; they start in order, each healthy before the next.
 */
export function compileSteps(needs: readonly PackNeeds[]): Step[] {
  const each = (kind: StepKind, want: (need: PackNeeds) => boolean, list = needs): Step[] =>
    list.filter(want).map(({ pack }) => ({ kind, pack_id: pack.pack_id }));
  return [
    ...each("install", ({ hasInstallScript, pack }) => hasInstallScript && pack.to !== null),
    ...each("stop", ({ pack }) => pack.from !== null, needs.toReversed()),
    ...each("snapshot", ({ wantsSnapshot, pack }) => wantsSnapshot || pack.restore !== null),
    ...each("restore", ({ pack }) => pack.restore !== null),
    ...each("switch", () => true),
    ...needs
      .filter(({ start, pack }) => start && pack.to !== null)
      .flatMap(({ pack }): Step[] => [
        { kind: "start", pack_id: pack.pack_id },
        { kind: "health", pack_id: pack.pack_id },
      ]),
  ];
}
