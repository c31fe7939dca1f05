import { type ChildOptions } from "../process/spawn-child.ts";
import { type ServiceSpec } from "./service-spec.ts";

/** What whoever has started a service's first process knows of its end. */
export type KnownEnd = {
  /** What kept it from becoming the service. */
  failure: string | null;
  /** It was killed by whoever waits for all of it, for more memory than its limit. */
  isOverLimit: boolean;
};

/** What a supervisor needs of the world around it. */
export type SupervisorWorld = {
  /** Asked before every start: does the operator still want it to run? */
  isWanted: (packId: string, generation: number) => boolean;
  /** Whether a pack that is not supervised here is healthy; tell its changes by `dependencyChanged`. */
  isHealthy: (packId: string) => boolean;
  /** Where the sockets for `notify` services are made. Only who may list it can find them. */
  notifyDirectory: string;
  warn: (message: string) => void;
  /** Starts a process, for example a confined one; directly by default. */
  spawn?: (options: ChildOptions, spec: ServiceSpec) => Bun.Subprocess;
  /** The directory of the control group that a service is in; undefined where it has none of its own. */
  groupOf?: (packId: string) => string | undefined;
  /**
   * Told the end of a service's first process before anything else is made of it.
   *
   * @returns what is known of that beyond its exit code
   */
  ended?: (packId: string, pid: number) => KnownEnd;
};
