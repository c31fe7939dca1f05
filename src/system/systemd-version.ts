/** The version of this machine's systemd, such as 252; undefined where there is none. */
export function systemdVersion(): number | undefined {
  try {
    const { stdout } = Bun.spawnSync(["systemctl", "--version"], { stderr: "ignore" });
    const version = /^systemd (\d+)/.exec(stdout.toString())?.[1];
    return version === undefined ? undefined : Number(version);
  } catch {
    return undefined;
  }
}
