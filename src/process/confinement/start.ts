import { isEnforced, type Layer } from "./layers.ts";
import { type Policy } from "./policy.ts";
import { ProgramImage, type Step } from "./program-image.ts";
import { type Root } from "./roots.ts";
import { type Arch, type SystemCall, systemCall } from "./system-calls.ts";

/** What is started: all of it decided, nothing is looked up any more but `cwd` and `file`. */
export type Command = {
  /** A path, relative to `cwd` where it does not begin with a slash. */
  file: string;
  argv: readonly string[];
  cwd: string;
  /** The complete environment. It goes into execve(2) and nowhere else. */
  env: Readonly<Record<string, string>>;
  /** It is to lead a session of its own (setsid(2)) inside a pid namespace as well. */
  newSession?: boolean;
  /** Run it as `/bin/sh FILE …` where the kernel does not know its format, as shells do. */
  hasShellFallback: boolean;
};

/** Namespaces that are kept by open descriptors of this process, for commands to enter. */
export type PinnedNamespaces = {
  /** Undefined for whoever needs none to enter the other. */
  user: number | undefined;
  network: number;
};

/** The numbers by which a start knows what it is handed: the report always, and the namespaces or, in the re-exec, the image. */
export const REPORT_DESCRIPTOR = 3;
export const IMAGE_DESCRIPTOR = 4;
export const PINNED_NETWORK = 4;
export const PINNED_USER = 5;
/** Descriptors that are passed on lie above those that they become. */
export const FIRST_PASSED = 16;

/** Everything that a start depends on. */
export type StartPlan = {
  policy: Policy;
  roots: readonly Root[];
  layers: readonly Layer[];
  landlockAbi: number;
  needsUserNamespace: boolean;
  /** See `ConfinementOptions`. */
  isAudit?: boolean;
  /** Entered instead of new ones. */
  pinned?: PinnedNamespaces | undefined;
  /** It may listen on the ports below 1024 that its policy names, and Landlock keeps it from others. */
  keepsLowPorts?: boolean;
  /** See `Command`. */
  newSession: boolean;
  /** Of the caller. */
  uid: number;
  gid: number;
  arch: Arch;
  /** What the command may raise its limit of open files to; undefined where nobody can tell. */
  mostOpenFiles?: number | undefined;
};

/** A start that is being written: its steps are made in the order in which they are added. */
export type Start = {
  plan: StartPlan;
  image: ProgramImage;
  /** Adds a system call. Its failure ends the start, unless `more` tolerates it. */
  call: (
    text: string,
    name: SystemCall,
    args: readonly number[],
    more?: Omit<Step, "number" | "args" | "text">,
  ) => void;
  has: (layer: Layer["name"]) => boolean;
};

/** @param begun a start of the same plan that this one goes on from */
export function createStart(plan: StartPlan, begun?: Start): Start {
  const image = new ProgramImage(begun?.image);
  return {
    plan,
    image,
    call: (text, name, args, more = {}) =>
      image.step({ number: systemCall(name, plan.arch), args, text, ...more }),
    has: (name) => isEnforced(plan.layers, name),
  };
}

export const AT_FDCWD = -100;
export const O_CLOEXEC = 0o2_000_000;
