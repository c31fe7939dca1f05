import { type Registry } from "../registry/registry.ts";
import { type HomePaths } from "../system/home.ts";
import { type OwnOperationTable } from "./own-operations.ts";
import { type ServiceHost } from "./service-host.ts";

/** What the lifecycle works with: a home, its registry, and the world outside, all passed in. */
export type Workspace = {
  paths: HomePaths;
  registry: Registry;
  /** The wall clock. What it says is only shown; no decision depends on it. */
  now: () => Date;
  /** The path of this program, for `AURORA_BIN`. */
  self: string;
  /** The operator's environment. */
  env: Readonly<Record<string, string | undefined>>;
  /** The token of the home's lock, while this program holds it. */
  lockToken?: string;
  /**
   * Makes a small change under the home's lock, which this workspace does not hold. Absent where it does, or where nobody else
   * uses the home, as in a dry run.
   */
  underLock?: <T>(description: string, work: (locked: Workspace) => T | Promise<T>) => Promise<T>;
  /** Opens the home for writing, where this workspace may be open for reading only. Absent: it is open for writing. */
  forWriting?: <T>(work: (writable: Workspace) => T | Promise<T>) => Promise<T>;
  /** What a pack's confined scripts may ask for beside what the lifecycle itself offers; loaded when it is asked for. */
  moreOwnOperations?: () => Promise<OwnOperationTable>;
  /** In a dry run, whose home is a copy: the home that the copy lies in. */
  homeOnDisk?: string;
  /** `--require-confinement`: where this machine cannot confine, nothing of a pack runs. */
  requireConfinement?: boolean;
  /** Who runs supervised services; undefined where none may be asked. */
  services?: ServiceHost | undefined;
  /** The process that runs supervised services, where it is another one and there is one now: what its place offers counts for these. */
  hostPid?: () => number | undefined;
  /** Aborts when the operator stops the command. */
  signal: AbortSignal;
  /** Shows what goes on, until the next call; undefined: nothing any more. Absent where nobody looks. */
  progress?: (message: string | undefined) => void;
  info: (message: string) => void;
  warn: (message: string) => void;
};

/** The time as it is recorded and shown: RFC 3339 in UTC. */
export function timestamp(workspace: Pick<Workspace, "now">): string {
  return workspace.now().toISOString();
}
