export type Child = {
  exitCode: number;
  /** Whether SIGKILL has ended it. */
  wasKilled: boolean;
  /** Whether it did not end by itself, although nobody was to kill it. */
  hangs: boolean;
  stdout: string;
  stderr: string;
};

/** When it is killed, for a stop at a moment that nobody has chosen; or because what takes this long hangs. */
type Ending = { killAfterMs: number } | { hangsAfterMs: number };

/** Runs this program on a home of the self test, with nothing of the operator's environment but what a shell needs. */
export async function runChild(
  self: string,
  argv: readonly string[],
  home: string,
  ending: Ending,
): Promise<Child> {
  const child = Bun.spawn([self, ...argv, "--home", home, "--json", "--no-input", "--no-daemon"], {
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: "/nonexistent" },
    cwd: "/",
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let hangs = false;
  const isPlanned = "killAfterMs" in ending;
  const timer = setTimeout(
    () => {
      hangs = !isPlanned;
      child.kill("SIGKILL");
    },
    isPlanned ? ending.killAfterMs : ending.hangsAfterMs,
  );
  try {
    const [stdout, stderr, exitCode] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    return { exitCode, wasKilled: child.signalCode === "SIGKILL", hangs, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}
