export type Child = {
  exitCode: number;
  /** Whether SIGKILL has ended it. */
  wasKilled: boolean;
  /** Whether it did not end by itself, although nobody was to kill it. */
  hangs: boolean;
  stdout: string;
  stderr: string;
};

/** A change of the self test takes well under a second; what takes this long, in milliseconds, hangs. */
const HANGS_AFTER_MS = 15_000;

/**
 * Runs this program on a home of the self test, with nothing of the operator's environment but what a shell needs.
 *
 * @param killAfterMs when it is killed, for a stop at a moment that nobody has chosen
 */
export async function runChild(
  self: string,
  argv: readonly string[],
  home: string,
  killAfterMs?: number,
): Promise<Child> {
  const child = Bun.spawn([self, ...argv, "--home", home, "--json", "--no-input", "--no-daemon"], {
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: "/nonexistent" },
    cwd: "/",
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let hangs = false;
  const timer = setTimeout(() => {
    hangs = killAfterMs === undefined;
    child.kill("SIGKILL");
  }, killAfterMs ?? HANGS_AFTER_MS);
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
