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
import { resolve } from "node:path";

import { compileAttack } from "../../test/process/confinement/attacks/attack-range.ts";
import { type Arch } from "./arch.ts";
import { writePacks } from "./packs.ts";

/**
 * A machine as Debian makes it: `bookworm` has Linux 6.1 and systemd 252, `trixie` has Linux 6.12 and systemd 257, and
 * `trixie-backports` is that with the newest kernel that Debian has made for it.
 */
export const SUITES: readonly string[] = ["bookworm", "trixie", "trixie-backports"];

export type Image = { arch: Arch; kernel: string; disk: string };

const MIRROR = "http://deb.debian.org/debian";
const PACKAGES = "systemd,systemd-sysv,dbus,libpam-systemd,dbus-user-session,kmod,udev,procps";
const DISK_SIZE = "2G";
/** What the demonstration and the tests need. */
const PROJECT = [
  "package.json",
  "bunfig.toml",
  "tsconfig.json",
  "src",
  "test",
  "packs",
  "scripts",
  "node_modules",
];
/** What an ordinary user of the machine is called; its number is 1000. */
export const USER = "ordinary";

/** Does what it reads from the second serial port: a number and a command in base64 a line; answers with the number, its exit code and output. */
const AGENT = `#!/bin/bash
stty raw -echo
echo ready
while read -r number command; do
  output=$(bash -c "$(base64 -d <<<"$command")" </dev/null 2>&1)
  echo "$number $? $(base64 -w0 <<<"$output")"
done
`;

const agentUnit = ({ agent }: Arch) => `[Unit]
After=multi-user.target systemd-user-sessions.service dbus.service
[Service]
ExecStart=/usr/local/sbin/agent
# What a command has left belongs to nobody but Aurora.
KillMode=process
StandardInput=tty-force
StandardOutput=tty
StandardError=journal
TTYPath=/dev/${agent.tty}
[Install]
WantedBy=multi-user.target
`;

/** The one program that the tests have compiled is here already: \`gcc -O1 -w -static -no-pie -o FILE SOURCE\`. */
const GCC = `#!/bin/sh
case "$7" in */attack.c) cp /usr/local/bin/attack "$6" ;; *) echo "there is no compiler on this machine" >&2; exit 1 ;; esac
`;

/**
 * Makes a disk with a small Debian, the program and the packs of the checks on it, and takes a kernel out of its package. The
 * Debian is kept in the directory and used again; the program is copied anew each time.
 */
export function buildImage(directory: string, suite: string, arch: Arch, binary: string): Image {
  const root = `${directory}/${suite}-${arch.name}`;
  if (!existsSync(root)) bootstrap(root, suite, arch);
  const kernel = `${root}/boot/${readdirSync(`${root}/boot`).find((name) => name.startsWith("vmlinuz")) ?? ""}`;
  mkdirSync(`${root}/usr/local/bin`, { recursive: true });
  copyFileSync(binary, `${root}/usr/local/bin/aurora`);
  chmodSync(`${root}/usr/local/bin/aurora`, 0o755);
  copyProject(`${root}/srv/aurora`, arch);
  writeFileSync(`${root}/usr/local/sbin/agent`, AGENT, { mode: 0o755 });
  writeFileSync(`${root}/etc/systemd/system/agent.service`, agentUnit(arch));
  compileAttack(`${root}/usr/local/bin/attack`, arch.compiler);
  rmSync(`${root}/packs`, { recursive: true, force: true });
  writePacks(`${root}/packs`);
  must(["systemctl", `--root=${root}`, "enable", "--quiet", "agent.service"]);
  const disk = `${root}.img`;
  rmSync(disk, { force: true });
  must(["truncate", "-s", DISK_SIZE, disk]);
  must(["mkfs.ext4", "-q", "-F", "-d", root, disk]);
  return { arch, kernel, disk };
}

function copyProject(project: string, arch: Arch): void {
  const here = resolve(import.meta.dir, "../..");
  const bin = `${project}/.tools/bin`;
  rmSync(project, { recursive: true, force: true });
  mkdirSync(bin, { recursive: true });
  must(["cp", "-RL", ...PROJECT.map((name) => `${here}/${name}`), project]);
  copyFileSync(arch.bun, `${bin}/bun`);
  chmodSync(`${bin}/bun`, 0o755);
  writeFileSync(`${bin}/gcc`, GCC, { mode: 0o755 });
}

function bootstrap(root: string, suite: string, { debian }: Arch): void {
  const partial = `${root}.partial`;
  const [release = ""] = suite.split("-");
  // A debootstrap that was killed has left them: what is in them is this machine's own.
  for (const name of ["proc", "sys"])
    Bun.spawnSync(["umount", "--recursive", "--lazy", `${partial}/${name}`], { stderr: "ignore" });
  rmSync(partial, { recursive: true, force: true });
  const options = ["--variant=minbase", `--arch=${debian}`, `--include=${PACKAGES}`];
  must(["debootstrap", ...options, release, partial, MIRROR]);
  if (suite !== release)
    writeFileSync(`${partial}/etc/apt/sources.list.d/${suite}.list`, `deb ${MIRROR} ${suite} main\n`);
  const inside = (script: string) => must(["chroot", partial, "sh", "-ec", script]);
  inside(`
    apt-get -qq update
    cd /tmp
    version=$(apt-cache show linux-image-cloud-${debian}/${suite} | sed -n 's/^Depends:.* linux-image-\\([0-9][^ ]*\\) .*/\\1/p' | head -n 1)
    # Newer ones are in several packages.
    for name in image base binary modules; do
      apt-cache show "linux-$name-$version/${suite}" >/dev/null 2>&1 || continue
      apt-get -qq download "linux-$name-$version/${suite}"
      dpkg-deb --fsys-tarfile linux-$name-*.deb | tar -x -C / --keep-directory-symlink
      rm linux-$name-*.deb
    done
    [ -e "/boot/vmlinuz-$version" ] || cp "/usr/lib/modules/$version/vmlinuz" /boot/vmlinuz-$version
    depmod "$version"
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /usr/share/doc /usr/share/locale
    echo machine > /etc/hostname
    mkdir -p /var/log/journal /var/lib/systemd/linger
    useradd --create-home --shell /bin/bash --uid 1000 ${USER}
    touch /var/lib/systemd/linger/${USER}
    systemctl mask --quiet getty@tty1.service serial-getty@ttyS0.service serial-getty@ttyS1.service serial-getty@ttyAMA0.service \\
      systemd-networkd-wait-online.service
  `);
  renameSync(partial, root);
}

export function must(argv: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(argv, { stdout: "ignore" });
  if (exitCode !== 0) throw new Error(`${argv.join(" ")}: ${exitCode} ${stderr.toString()}`);
}
