import { fchownSync, readlinkSync } from "node:fs";

import { AuroraError, systemReason } from "../../errors.ts";
import { findExecutable } from "../find-executable.ts";
import { readFirstLine } from "../first-line.ts";
import { type ChildOptions, spawnChild } from "../spawn-child.ts";
import { type Confinement } from "./confine.ts";
import { isEnforced } from "./layers.ts";
import { type MemoryReport } from "./report.ts";
import { type Command } from "./start.ts";

/** Then there would be no process, whatever it was. */
const OUT_OF: readonly string[] = ["EAGAIN", "ENOMEM", "EMFILE", "ENFILE"];

export type ConfinedChild = {
  child: Bun.Subprocess;
  /** Why the command was not executed; undefined where it was. Asked after the child's end, before `dispose`. */
  failure: () => AuroraError | undefined;
  /** What memory it has had, asked when it has ended; undefined where nobody has waited for it inside. */
  memory: () => MemoryReport | undefined;
  /** Closes what was opened for the start; safe to call twice, and while the child runs. */
  dispose: () => void;
  /** Kills all that it has started at once; undefined where nothing can, and the tree has to be looked for. */
  killAll?: (() => void) | undefined;
  /** When the child has ended, so has all that it had started: the kernel or the launcher has seen to it. */
  endsTree?: boolean;
  /** The directory of the control group that it is in, where it has one of its own. */
  controlGroup?: string | undefined;
  [Symbol.dispose]: () => void;
};

/**
 * Starts a process as `spawnChild` does, but confined. The child is the command itself: its pid, exit code, signals and
 * streams; with a pid namespace it stands for the command (see `Policy.processNamespace`). Where the confinement has nothing
 * to enforce, this is `spawnChild`.
 *
 * A confined command has the umask 027, whatever `options.umask` says. What keeps it from being executed shows only after
 * its end, in `failure`, because the launcher finds it out in the child.
 *
 * @param launchDescriptor closes when the command has been executed, or has failed to be: then `failure` can be asked
 * @throws {AuroraError} `command-not-found`, `not-executable`, `exec-failed`; `denied` where it cannot be confined
 */
export function spawnConfined(
  options: ChildOptions,
  confinement: Confinement,
  launchDescriptor?: number,
): ConfinedChild {
  if (confinement.launch === null) {
    const child = spawnChild(options);
    return { child, failure: unknown, memory: unknown, dispose: doNothing, [Symbol.dispose]: doNothing };
  }
  const { argv, cwd, env, stdin, stdout, stderr, newSession, cgroup, onExit } = options;
  const file = findExecutable(argv[0] ?? "", env["PATH"], cwd);
  const path = file.startsWith("/") ? file : `${cwd}/${file}`;
  const command = { file, argv, cwd, env, newSession, hasShellFallback: isPlainScript(path) };
  const launch = prepareLaunch(confinement.launch, command);
  if (confinement.user !== undefined)
    for (const stream of [stdin, stdout, stderr]) give(stream, confinement.user);
  const group = openGroup(confinement, argv[0] ?? "", launch);
  try {
    const [argv0 = "", ...words] = launch.argv;
    const child = Bun.spawn([launch.file, ...words], {
      argv0,
      cwd: "/",
      env: ownVariables(env),
      stdio: [
        stdin,
        stdout,
        stderr,
        ...launch.descriptors,
        ...(launchDescriptor === undefined ? [] : [launchDescriptor]),
      ],
      detached: newSession,
      ...((group?.directory ?? cgroup) === undefined ? {} : { cgroup: group?.directory ?? cgroup }),
      ...(onExit === undefined ? {} : { onExit }),
    });
    const { failure, memory } = launch;
    const dispose = () => {
      launch.dispose();
      group?.close();
    };
    const killAll = group && (() => void group.kill());
    const endsTree = isEnforced(confinement.layers, "process-namespace", "reaper");
    const controlGroup = group?.directory;
    return { child, failure, memory, dispose, killAll, endsTree, controlGroup, [Symbol.dispose]: dispose };
  } catch (thrown) {
    launch.dispose();
    group?.close();
    throw launchError(argv[0] ?? "", thrown);
  }
}

function prepareLaunch(launch: NonNullable<Confinement["launch"]>, command: Command) {
  try {
    return launch(command);
  } catch (thrown) {
    throw thrown instanceof AuroraError ? thrown : launchError(command.argv[0] ?? "", thrown);
  }
}

/** What keeps the launcher from being started, or put into its control group, keeps the command from being confined. */
function launchError(name: string, thrown: unknown): AuroraError {
  const { code } = thrown as NodeJS.ErrnoException;
  const reason = systemReason(thrown) ?? "its launcher could not be started";
  return OUT_OF.includes(code ?? "")
    ? new AuroraError("exec-failed", `cannot run "${name}": ${reason}`, { cause: thrown })
    : new AuroraError("denied", `cannot confine "${name}": cannot start its launcher: ${reason}`, {
        cause: thrown,
      });
}

/**
 * By these a tree is found again, and the relay of a pid namespace belongs to it. The launcher itself reads no variables, and
 * the command gets its environment from the plan.
 */
function ownVariables(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith("AURORA_")));
}

/**
 * `echo x > /dev/stderr` opens the pipe anew, for which its owner counts. Only pipes are given: they have no other name by
 * which anybody could miss them.
 */
function give(stream: ChildOptions["stdin"], { uid, gid }: { uid: number; gid: number }): void {
  if (typeof stream !== "number") return;
  try {
    if (readlinkSync(`/proc/self/fd/${stream}`).startsWith("pipe:[")) fchownSync(stream, uid, gid);
  } catch {
    // Then the command can write to it, but not open it.
  }
}

/** A layer that is promised and cannot be set up keeps the command from starting. */
function openGroup({ openGroup: open }: Confinement, name: string, launch: { dispose: () => void }) {
  try {
    return open?.();
  } catch (thrown) {
    launch.dispose();
    const reason = systemReason(thrown) ?? (thrown as Error).message;
    throw new AuroraError("denied", `cannot confine "${name}": cannot make a control group: ${reason}`, {
      cause: thrown,
    });
  }
}

const unknown = () => undefined;

function doNothing(): void {}

/** What the kernel would not execute and a shell takes for a script of its own: text without a `#!`. */
function isPlainScript(path: string): boolean {
  try {
    const line = readFirstLine(path);
    return !line.includes(0) && !line.toString("latin1").startsWith("#!");
  } catch {
    return false; // It may be executed without being readable.
  }
}
