import { readFileSync } from "node:fs";

/** What a terminal or a shell sends to a whole foreground group: Ctrl-C, Ctrl-\, a hang-up, a new size, `fg`. */
const sentToGroup = new Set<NodeJS.Signals>(["SIGINT", "SIGQUIT", "SIGHUP", "SIGWINCH", "SIGCONT"]);
const passedOn: readonly NodeJS.Signals[] = [
  "SIGINT",
  "SIGQUIT",
  "SIGHUP",
  "SIGTERM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGWINCH",
  "SIGCONT",
];

/**
 * While a command runs in the foreground, this program stays alive and passes each signal on to it once. Where both are in
 * the foreground group of a terminal, the terminal has sent Ctrl-C to both of them already.
 *
 * @param passOn sends a signal to the command
 * @returns puts everything back as it was
 */
export function passSignals(passOn: (signal: NodeJS.Signals) => void): () => void {
  const listeners = passedOn.map((signal) => {
    const listener = () => {
      if (!sentToGroup.has(signal) || !isTerminalForeground(readOwnStat())) passOn(signal);
    };
    process.on(signal, listener);
    return () => void process.off(signal, listener);
  });
  return () => {
    for (const remove of listeners) remove();
  };
}

/**
 * Whether the process of this stat line has a controlling terminal whose foreground group is its own: fields 5 (pgrp),
 * 7 (tty_nr) and 8 (tpgid) of proc_pid_stat(5).
 */
export function isTerminalForeground(stat: string): boolean {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [, , group, , terminal, foreground] = fields;
  return terminal !== undefined && terminal !== "0" && foreground === group;
}

function readOwnStat(): string {
  try {
    return readFileSync("/proc/self/stat", "latin1");
  } catch {
    return "";
  }
}
