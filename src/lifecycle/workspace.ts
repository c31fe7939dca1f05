import { type Registry } from "../registry/registry.ts";
import { type HomePaths } from "../system/home.ts";
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
  /** Who runs supervised services; undefined where none may be asked. */
  services?: ServiceHost | undefined;
  /** Aborts when the operator stops the command. */
  signal: AbortSignal;
  info: (message: string) => void;
  warn: (message: string) => void;
};

/** The time as it is recorded and shown: RFC 3339 in UTC. */
export function timestamp(workspace: Pick<Workspace, "now">): string {
  return workspace.now().toISOString();
}
