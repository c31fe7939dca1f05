import { scratch } from "./aurora.ts";
import { eventually } from "./eventually.ts";

export const hasTmux = Bun.which("tmux") !== null;

/** A terminal of its own for one command, by tmux. At its end nothing of it runs any more. */
export function terminal(
  command: readonly string[],
  env: Record<string, string>,
  size = { columns: 80, rows: 24 },
) {
  const directory = scratch();
  const tmux = (...args: string[]) => {
    const { stdout, stderr, exitCode } = Bun.spawnSync(
      ["tmux", "-S", `${directory.path}/tmux.sock`, "-f", "/dev/null", ...args],
      { env: { PATH: Bun.env["PATH"] ?? "", TERM: "xterm-256color", LANG: "C.UTF-8", SHELL: "/bin/sh" } },
    );
    if (exitCode !== 0) throw new Error(stderr.toString());
    return stdout.toString();
  };
  const variables = Object.entries({ LANG: "C.UTF-8", ...env }).map(([name, value]) => `${name}=${value}`);
  const words = ["env", ...variables, ...command]
    .map((word) => `'${word.replaceAll("'", `'\\''`)}'`)
    .join(" ");
  // The shell behind it shows how the command has left the terminal.
  const script = `stty -a > ${directory.path}/before; ${words}; rc=$?; stty -a > ${directory.path}/after; echo "ended with $rc"; exec cat`;
  tmux("new-session", "-d", "-x", String(size.columns), "-y", String(size.rows), script);
  const screen = () => tmux("capture-pane", "-p");
  return {
    screen,
    /** The same with what colours it. */
    coloured: () => tmux("capture-pane", "-p", "-e"),
    keys: (...keys: string[]) => tmux("send-keys", ...keys),
    resize: (columns: number, rows: number) =>
      tmux("resize-window", "-x", String(columns), "-y", String(rows)),
    /** Waits until the screen shows something. */
    shows: (what: string | RegExp) =>
      eventually(`${what} on the screen:\n${screen()}`, () => {
        const text = screen();
        return (typeof what === "string" ? text.includes(what) : what.test(text)) ? text : undefined;
      }),
    /** The process that runs in it, below the shell. */
    commandPid: () => {
      const shell = tmux("display-message", "-p", "#{pane_pid}").trim();
      const { stdout } = Bun.spawnSync(["ps", "-o", "pid=", "--ppid", shell]);
      const pid = Number(stdout.toString().trim().split("\n")[0]);
      // To signal number 0 is to signal this very test.
      if (pid === 0) throw new Error("nothing runs in the terminal");
      return pid;
    },
    /** The terminal's settings and modes, before and after: the same where it was left clean. */
    modes: async () => ({
      before: await Bun.file(`${directory.path}/before`).text(),
      after: await Bun.file(`${directory.path}/after`).text(),
      flags: tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{wrap_flag}").trim(),
    }),
    [Symbol.dispose]() {
      tmux("kill-server");
      directory[Symbol.dispose]();
    },
  };
}
