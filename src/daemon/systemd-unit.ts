import { SELF_GROUP } from "../process/confinement/control-group.ts";
import { daemonRuntime } from "./daemon-runtime.ts";

export type UnitOptions = {
  /** The program's path. */
  self: string;
  home: string;
  /** A unit of `systemctl --user`. */
  isUser: boolean;
  /** Whose the home is, by number: the machine's systemd would run it as root. */
  owner?: { uid: number; gid: number };
  /** The version of systemd; undefined where it is not known, and then the unit is one for all. */
  systemdVersion?: number | undefined;
};

/** Since this version a unit's own process can be put into a group below the unit's (DelegateSubgroup=). */
const SUBGROUP_VERSION = 254;
/**
 * Before that the daemon is started in the unit's own control group, which the kernel refuses while groups with limits are in
 * use below it (cgroups(7), "no internal processes"): so it would not come back while such services live. When it has ended,
 * the controllers are switched off, and the next daemon switches them on and sets the limits again.
 */
const RELEASE_GROUPS =
  `ExecStopPost=-/bin/sh -c 'echo "-memory -pids" ` +
  `>"/sys/fs/cgroup$$(sed -n s/^0:://p /proc/self/cgroup)/../cgroup.subtree_control"'`;

/**
 * A systemd unit that runs the daemon of a home: pure.
 *
 * Packs may do whatever their operator has approved, so the unit takes away only what no pack can ask for: the kernel's
 * modules and its log. What would close devices, directories, the network or new privileges to all packs alike is not in it;
 * confinement is each pack's own.
 */
export function systemdUnit({ self, home, isUser, owner, systemdVersion = 0 }: UnitOptions): string {
  const program = quote(self);
  const homeOption = `--home ${quote(home)}`;
  const isRoots = owner === undefined || owner.uid === 0;
  const whose = isUser || isRoots ? [] : [`User=${owner.uid}`, `Group=${owner.gid}`];
  const hardening = isUser ? [] : ["ProtectKernelModules=yes", "ProtectKernelLogs=yes"];
  return [
    "[Unit]",
    "Description=Aurora pack supervisor",
    "# However often it is killed, services need it.",
    "StartLimitIntervalSec=0",
    ...(isUser ? [] : ["Wants=network-online.target", "After=network-online.target"]),
    "",
    "[Service]",
    "Type=notify",
    "NotifyAccess=main",
    ...whose,
    `Environment=${Object.entries(daemonRuntime)
      .map(([name, value]) => `${name}=${value}`)
      .join(" ")}`,
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
    systemdVersion >= SUBGROUP_VERSION ? `DelegateSubgroup=${SELF_GROUP}` : RELEASE_GROUPS,
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
