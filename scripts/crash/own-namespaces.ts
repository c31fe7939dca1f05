import { constants } from "node:os";

/** What is inside says so to itself. */
const MARK = "AURORA_CRASH_NAMESPACES";
const OWN = ["unshare", "--mount", "--pid", "--propagation", "private", "sh", "-c"];
const MOUNTS = "mount -t proc proc /proc && mount --make-rshared /";
/** Runs "$@", tells it to end when this is told to, and ends as it does. */
const RELAY = [
  "trap 'kill -TERM $child' TERM",
  '"$@" & child=$!',
  "while kill -0 $child 2> /dev/null; do wait $child; code=$?; done",
  "exit $code",
].join("\n");

/** Whether the system lets this user have them. */
export function canHaveOwnNamespaces(): boolean {
  // The command is not the last one, so that the shell does not become it: a shell that is itself outside starts the first process inside.
  return Bun.spawnSync([...OWN, `sh -c '${MOUNTS}'; exit $?`]).exitCode === 0;
}

/**
 * Runs this program again in namespaces of its own, where it is not yet. One is for its mounts: otherwise any other process that
 * copies its mounts meanwhile would keep a file system alive that was shut down. Confined processes copy them all the same, those
 * of other experiments too: to their copies each unmount is passed on. One is for its processes: what a command has left running
 * is looked for many times for each point, and not among all that runs on the machine. A signal that is to end this program
 * is passed on to the other, which cleans up; however this one ends, the other is told to.
 *
 * @returns the exit code; undefined inside, and where the system does not allow it
 */
export async function inOwnNamespaces(signals: readonly NodeJS.Signals[]): Promise<number | undefined> {
  if (Bun.env[MARK] === "own") return undefined;
  if (!canHaveOwnNamespaces()) return undefined;
  // The first process inside is whom all others are left to when their parents end: that waits for any of them, as this program would not.
  const first = ["sh", "-c", `${MOUNTS}\n${RELAY}`, "sh", process.execPath, ...process.argv.slice(1)];
  const child = Bun.spawn(["setpriv", "--pdeathsig", "TERM", "--", ...OWN, RELAY, "sh", ...first], {
    stdio: ["inherit", "inherit", "inherit"],
    env: { ...process.env, [MARK]: "own" },
  });
  let code: number | undefined;
  for (const signal of signals)
    process.on(signal, () => {
      code ??= 128 + constants.signals[signal];
      child.kill("SIGTERM");
    });
  const exitCode = await child.exited;
  return code ?? exitCode;
}
