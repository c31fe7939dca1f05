/**
 * Whether systemd is taking the whole machine down, rather than only this daemon: then services are stopped in their order
 * before systemd ends them in none. Where no systemd has started the daemon, nobody is asked.
 */
export async function isMachineGoingDown(
  env: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  if (env["NOTIFY_SOCKET"] === undefined || env["INVOCATION_ID"] === undefined) return false;
  try {
    const child = Bun.spawn(["systemctl", "is-system-running"], {
      env: { PATH: env["PATH"] ?? "/usr/bin:/bin" },
      stdio: ["ignore", "pipe", "ignore"],
      timeout: ANSWER_MS,
    });
    return (await child.stdout.text()).trim() === "stopping";
  } catch {
    return false;
  }
}

/** So long systemctl may take to answer, in milliseconds. */
const ANSWER_MS = 2000;
