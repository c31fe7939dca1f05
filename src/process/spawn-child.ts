import { statSync } from "node:fs";
import { umask } from "node:process";

import { AuroraError, systemReason } from "../errors.ts";
import { findExecutable } from "./find-executable.ts";
import { readFirstLine } from "./first-line.ts";
import { refuseNul } from "./refuse-nul.ts";

export type ChildOptions = {
  /** `argv[0]` is looked up in `env.PATH` when it holds no slash. */
  argv: readonly string[];
  cwd: string;
  /** The complete environment. */
  env: Readonly<Record<string, string>>;
  stdin: "ignore" | "inherit" | number;
  stdout: "ignore" | "inherit" | number;
  stderr: "ignore" | "inherit" | number;
  /** A session and process group of its own, without a controlling terminal (setsid(2)). */
  newSession: boolean;
  /** What the child creates lacks these permissions, for example 0o027. The caller's own by default. */
  umask?: number;
  /** A control group to start in: its directory. */
  cgroup?: string;
  /** Called when the child has ended. One function may be for many children, where a promise is for each of them. */
  onExit?: (child: Bun.Subprocess) => void;
};

/**
 * Starts a process directly, with no shell between. It gets its three standard descriptors and no other, default signal
 * dispositions, and the environment that is given.
 *
 * A file that the kernel does not know how to execute (ENOEXEC) runs as `/bin/sh FILE …`, as execvp(3) and every shell do
 * with a script that lacks its `#!` line; but not where it is binary.
 *
 * @throws {AuroraError} `command-not-found`; `not-executable` also where the `#!` line names nothing; `exec-failed` where
 *   the directory cannot be entered or the system cannot start another process
 */
export function spawnChild(options: ChildOptions): Bun.Subprocess {
  const [name = "", ...args] = options.argv;
  checkDirectory(options.cwd);
  refuseNul({ file: name, ...options });
  const file = findExecutable(name, options.env["PATH"], options.cwd);
  try {
    return start([name, ...args], file, options);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code !== "ENOEXEC") throw spawnError(name, thrown);
    // How shells tell: a NUL byte in the first line.
    if (readFirstLine(file.startsWith("/") ? file : `${options.cwd}/${file}`).includes(0))
      throw new AuroraError(
        "not-executable",
        `cannot run "${name}": its format is not one this machine executes`,
        {
          cause: thrown,
          hint: `file ${name} shows what it was built for`,
        },
      );
    return start(["/bin/sh", file, ...args], "/bin/sh", options);
  }
}

function start(argv: readonly string[], file: string, options: ChildOptions): Bun.Subprocess {
  const { cwd, env, stdin, stdout, stderr, newSession, cgroup, onExit } = options;
  const before = options.umask === undefined ? undefined : umask(options.umask);
  try {
    return Bun.spawn([file, ...argv.slice(1)], {
      argv0: argv[0] as string,
      cwd,
      env: { ...env },
      stdin,
      stdout,
      stderr,
      detached: newSession,
      ...(cgroup === undefined ? {} : { cgroup }),
      ...(onExit === undefined ? {} : { onExit }),
    });
  } finally {
    if (before !== undefined) umask(before);
  }
}

function checkDirectory(cwd: string): void {
  let reason: string | undefined;
  try {
    if (!statSync(cwd).isDirectory()) reason = "it is not a directory";
  } catch (thrown) {
    reason = systemReason(thrown) ?? "it cannot be looked at";
  }
  if (reason !== undefined)
    throw new AuroraError("exec-failed", `cannot run a command in "${cwd}": ${reason}`);
}

function spawnError(name: string, thrown: unknown): AuroraError {
  const { code } = thrown as NodeJS.ErrnoException;
  // The file itself is there, so ENOENT is about the interpreter in its "#!" line, or the loader it was linked for.
  if (code === "ENOENT")
    return new AuroraError("not-executable", `cannot run "${name}": its interpreter does not exist`, {
      cause: thrown,
      hint: `head -1 ${name} shows which it is`,
    });
  const reason = systemReason(thrown) ?? String(thrown);
  const isRefused = code === "EACCES" || code === "EPERM";
  return new AuroraError(isRefused ? "not-executable" : "exec-failed", `cannot run "${name}": ${reason}`, {
    cause: thrown,
  });
}
