export type UnitOptions = {
  /** The program's path. */
  self: string;
  home: string;
  /** A unit of `systemctl --user`. */
  isUser: boolean;
};

/**
 * A systemd unit that runs the daemon of a home: pure.
 *
 * Packs may do whatever their operator has approved, so the unit takes away only what no pack can ask for: the kernel's
 * modules and its log. What would close devices, directories, the network or new privileges to all packs alike is not in it;
 * confinement is each pack's own.
 */
export function systemdUnit({ self, home, isUser }: UnitOptions): string {
  const program = quote(self);
  const homeOption = `--home ${quote(home)}`;
  const hardening = isUser
    ? []
    : ["ProtectKernelModules=yes", "ProtectKernelLogs=yes", "OOMScoreAdjust=-500"];
  return [
    "[Unit]",
    "Description=Aurora pack supervisor",
    ...(isUser ? [] : ["Wants=network-online.target", "After=network-online.target"]),
    "",
    "[Service]",
    "Type=notify",
    "NotifyAccess=main",
    `ExecStart=${program} daemon ${homeOption}`,
    `ExecReload=${program} daemon reload ${homeOption}`,
    "Restart=on-failure",
    "RestartSec=1",
    "# Recovery may have to bring an old service back and wait for its health.",
    "TimeoutStartSec=infinity",
    "TimeoutStopSec=90",
    "# Services outlive the daemon, and the next one takes them over. When the machine goes down, the daemon stops them.",
    "KillMode=process",
    "OOMPolicy=continue",
    "Delegate=yes",
    "TasksMax=infinity",
    "LimitNOFILE=65536",
    "UMask=0077",
    ...hardening,
    "",
    "[Install]",
    `WantedBy=${isUser ? "default.target" : "multi-user.target"}`,
  ].join("\n");
}

/** A word of a command line in a unit: specifiers and variables are doubled (systemd.service(5), systemd.unit(5)). */
function quote(word: string): string {
  const escaped = word
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("%", "%%")
    .replaceAll("$", "$$$$")
    .replaceAll("\n", "\\n");
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}
