import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";

import { compileAttack } from "../../test/process/confinement/attacks/attack-range.ts";
import { writePacks } from "./packs.ts";

/** A machine as Debian makes it: `bookworm` has Linux 6.1 and systemd 252, `trixie` has Linux 6.12 and systemd 257. */
export type Image = { kernel: string; disk: string };

const MIRROR = "http://deb.debian.org/debian";
const PACKAGES = "systemd,systemd-sysv,dbus,libpam-systemd,dbus-user-session,kmod,udev,procps";
const DISK_SIZE = "1400M";
/** What an ordinary user of the machine is called; its number is 1000. */
export const USER = "ordinary";

/** Does what it reads from the second serial port: one command in base64 a line; answers with its exit code and output. */
const AGENT = `#!/bin/bash
stty raw -echo
echo ready
while IFS= read -r line; do
  output=$(bash -c "$(base64 -d <<<"$line")" </dev/null 2>&1)
  echo "$? $(base64 -w0 <<<"$output")"
done
`;

const AGENT_UNIT = `[Unit]
After=multi-user.target systemd-user-sessions.service dbus.service
[Service]
ExecStart=/usr/local/sbin/agent
# What a command has left belongs to nobody but Aurora.
KillMode=process
StandardInput=tty-force
StandardOutput=tty
StandardError=journal
TTYPath=/dev/ttyS1
[Install]
WantedBy=multi-user.target
`;

/**
 * Makes a disk with a small Debian, the program and the packs of the checks on it, and takes a kernel out of its package. The
 * Debian is kept in the directory and used again; the program is copied anew each time.
 */
export function buildImage(directory: string, suite: string, binary: string): Image {
  const root = `${directory}/${suite}`;
  if (!existsSync(root)) bootstrap(root, suite);
  const kernel = `${root}/boot/${readdirSync(`${root}/boot`).find((name) => name.startsWith("vmlinuz")) ?? ""}`;
  mkdirSync(`${root}/usr/local/bin`, { recursive: true });
  copyFileSync(binary, `${root}/usr/local/bin/aurora`);
  chmodSync(`${root}/usr/local/bin/aurora`, 0o755);
  writeFileSync(`${root}/usr/local/sbin/agent`, AGENT, { mode: 0o755 });
  writeFileSync(`${root}/etc/systemd/system/agent.service`, AGENT_UNIT);
  compileAttack(`${root}/usr/local/bin/attack`);
  rmSync(`${root}/packs`, { recursive: true, force: true });
  writePacks(`${root}/packs`);
  must(["chroot", root, "systemctl", "enable", "--quiet", "agent.service"]);
  const disk = `${directory}/${suite}.img`;
  rmSync(disk, { force: true });
  must(["truncate", "-s", DISK_SIZE, disk]);
  must(["mkfs.ext4", "-q", "-F", "-d", root, disk]);
  return { kernel, disk };
}

function bootstrap(root: string, suite: string): void {
  const partial = `${root}.partial`;
  rmSync(partial, { recursive: true, force: true });
  must(["debootstrap", "--variant=minbase", `--include=${PACKAGES}`, suite, partial, MIRROR]);
  const inside = (script: string) => must(["chroot", partial, "sh", "-ec", script]);
  inside(`
    apt-get -qq update
    cd /tmp
    apt-get -qq download "$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p' | head -n 1)"
    dpkg-deb --fsys-tarfile linux-image-*.deb | tar -x -C / --keep-directory-symlink
    rm linux-image-*.deb
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /usr/share/doc /usr/share/locale
    echo machine > /etc/hostname
    mkdir -p /var/log/journal /var/lib/systemd/linger
    useradd --create-home --shell /bin/bash --uid 1000 ${USER}
    touch /var/lib/systemd/linger/${USER}
    systemctl mask --quiet getty@tty1.service serial-getty@ttyS0.service serial-getty@ttyS1.service \\
      systemd-networkd-wait-online.service
  `);
  renameSync(partial, root);
}

export function must(argv: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(argv, { stdout: "ignore" });
  if (exitCode !== 0) throw new Error(`${argv.join(" ")}: ${exitCode} ${stderr.toString()}`);
}
