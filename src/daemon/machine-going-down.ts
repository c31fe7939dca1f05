/**
 * Whether systemd is taking the whole machine down, or the manager of this user with all that it runs, rather than only this
 * daemon: then services are stopped in their order before systemd ends them in none. Where no systemd has started the daemon,
 * nobody is asked.
 */
export async function isMachineGoingDown(
  env: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  if (env["NOTIFY_SOCKET"] === undefined || env["INVOCATION_ID"] === undefined) return false;
  // Only the manager of a user tells its number (systemd.exec(5)). It ends with the machine, and at the user's last logout.
  const manager = env["MANAGERPID"] === undefined ? "--system" : "--user";
  const { PATH = "/usr/bin:/bin", XDG_RUNTIME_DIR = "" } = env;
  try {
    const child = Bun.spawn(["systemctl", manager, "is-system-running"], {
      env: { PATH, XDG_RUNTIME_DIR },
      stdio: ["ignore", "pipe", "ignore"],
      timeout: ANSWER_MS,
    });
    return (await child.stdout.text()).trim() === "stopping";
  } catch {
    return false;
  }
}

/**
 * So long systemctl may take to answer, in milliseconds: while everything ends at once, a slow machine takes its time. What is left
 * of the unit's TimeoutStopSec= is enough to stop all services.
 */
const ANSWER_MS = 20_000;
