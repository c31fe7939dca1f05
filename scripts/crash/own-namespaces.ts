import { constants } from "node:os";

/** What is inside says so to itself. */
const MARK = "AURORA_CRASH_NAMESPACES";
/** Runs "$@", tells it when this is to end, and ends as it does; what others have left to it meanwhile is taken note of. */
const RELAY = [
  "trap 'kill -TERM $child' TERM",
  '"$@" & child=$!',
  "while kill -0 $child 2> /dev/null; do wait $child; code=$?; done",
  "exit $code",
].join("\n");

/**
 * Runs this program again in namespaces of its own, where it is not yet: one for its mounts, otherwise any other process that
 * copies its mounts meanwhile would keep a file system alive that was shut down; and one for its processes, so that whoever looks for
 * what a command has left running does not look through all that runs on the machine, many times for each point. Confined
 * processes copy the mounts all the same, those of other experiments too: to their copies each unmount is passed on. A signal that is to end this
 * program is passed on to the other, which cleans up; however this one ends, the other is told to.
 *
 * @returns the exit code; undefined inside, and where the system does not allow it
 */
export async function inOwnNamespaces(signals: readonly NodeJS.Signals[]): Promise<number | undefined> {
  if (Bun.env[MARK] === "own") return undefined;
  const own = ["unshare", "--mount", "--pid", "--propagation", "private", "sh", "-c"];
  const mounts = "mount -t proc proc /proc && mount --make-rshared /";
  // The first process of a namespace is whom all others are left to, so that cannot be this program.
  if (Bun.spawnSync([...own, `sh -c '${mounts}'; exit $?`]).exitCode !== 0) return undefined;
  const first = `${mounts}\n${RELAY}`;
  const child = Bun.spawn(
    ["setpriv", "--pdeathsig", "TERM", "--", ...own, RELAY, "sh", "sh", "-c", first, "sh"].concat(
      process.execPath,
      process.argv.slice(1),
    ),
    { stdio: ["inherit", "inherit", "inherit"], env: { ...process.env, [MARK]: "own" } },
  );
  let code: number | undefined;
  for (const signal of signals)
    process.on(signal, () => {
      code ??= 128 + constants.signals[signal];
      child.kill("SIGTERM");
    });
  const exitCode = await child.exited;
  return code ?? exitCode;
}
