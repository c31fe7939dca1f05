import { type Workspace } from "../lifecycle/workspace.ts";
import { type SupervisedService } from "./api-schema.ts";

/** Runs what the registry says is wanted. */
export type ServiceKeeper = {
  /** How many services are to run under it. */
  supervised: number;
  /** Takes over what an earlier daemon left. */
  adopt: () => Promise<void>;
  /** Starts what is wanted and does not run, dependencies first. */
  startWanted: () => Promise<void>;
  start: (packId: string, generation: number) => Promise<SupervisedService>;
  stop: (packId: string) => Promise<SupervisedService>;
  stopAll: (deadlineMs: number) => Promise<void>;
  [Symbol.asyncDispose]: () => Promise<void>;
};

export function openKeeper(_workspace: Workspace): ServiceKeeper {
  return {
    supervised: 0,
    adopt: async () => {},
    startWanted: async () => {},
    start: async () => {
      throw new Error("not yet");
    },
    stop: async () => {
      throw new Error("not yet");
    },
    stopAll: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}
