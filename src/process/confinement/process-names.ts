/**
 * As `ps` shows what the launcher leaves above a confined command: what stays outside, and the first process of a pid
 * namespace. Both end when the command does.
 */
export const RELAY_NAME = "aurora-relay";
export const INIT_NAME = "aurora-init";

/** The launcher's file in memory. */
export const LAUNCHER_NAME = "aurora-launcher";

/**
 * Whether a process, by its name or what stands for its command line, is one of those: they pass signals on, so that whoever
 * signals all processes of a tree leaves them out, or the command gets the signal twice. SIGKILL is for everybody.
 */
export function isAboveCommand(command: string): boolean {
  const name = command.replace(/^\[(.*)\]$/, "$1");
  return name === RELAY_NAME || name === INIT_NAME;
}
