import { attacks } from "../../test/process/confinement/attacks/attack-table.ts";
import { type Arch } from "./arch.ts";
import { type Series } from "./check.ts";
import { COMMANDS } from "./commands.ts";

/** Landlock's version and what is missing, by Debian's release. */
const KERNELS: Record<string, RegExp> = {
  bookworm:
    /^6\.1\..*\nlandlock +ABI 2\nmissing +landlock-ports: .*ABI 4.*\nmissing +landlock-scopes: .*ABI 6/,
  trixie: /^6\.12\..*\nlandlock +ABI 6\nmissing +control-group/,
  "trixie-backports": /^[7-9]\..*\nlandlock +ABI \d\d\nmissing +control-group/,
};
/** What no layer stops: information only, and pairs of sockets (docs/confinement.md). */
const ALLOWED = new Set(
  attacks.filter(({ by, always }) => by.length === 0 && always === undefined).map(({ name }) => name),
);
/** A hard link that was made before the pack was: such a pack is refused when it is staged. */
const NOT_MADE = ["premade-link"];

const names = attacks.map(({ name }) => name);
/** So many of them work without a pack; what a kernel or a processor does not have cannot be attacked. */
const MOST = { x64: 100, arm64: 95 };

/** All attacks of the test suite, in a service under the printed unit, on this machine's kernel. */
export function attackSeries(suite: string, arch: Arch): Series {
  const expected = [...ALLOWED].filter((name) => !NOT_MADE.includes(name)).toSorted();
  return {
    name: "attacks",
    checks: [
      {
        name: "device and plan tell what this kernel has",
        script: `uname -r; aurora device | grep -E "^(landlock|missing)"`,
        expected: KERNELS[suite] ?? /landlock/,
      },
      {
        name: "a port that cannot be told apart is in the plan, and ends a start that needs confinement",
        script: `cp -r /packs/first /tmp/port; sed -i 's/  safety/  permissions: { net: { connect: [443] } }\\n  safety/' /tmp/port/manifest.yaml
          aurora plan /tmp/port 2>/dev/null | grep -c "without landlock-ports"
          aurora install /tmp/port --approve --require-confinement 2>&1 | grep -c "requires confinement, and landlock-ports is not available"`,
        expected: suite === "bookworm" ? "1\n1" : "0\n0",
      },
      {
        name: `of ${attacks.length} attacks, root can do most of them without a pack`,
        script: `${COMMANDS} mkdir -p /srv/outside /srv/mine; cd /srv
          /usr/local/bin/attack victim /srv/outside >/srv/ports 2>/dev/null & victim=$!
          until_ test -s /srv/ports; read -r port other </srv/ports; echo "$victim $port $other" >/srv/target
          export SHARED=aurora-attack OTHER_PORT="$other"; worked=0
          for name in ${names.join(" ")}; do
            find /srv/outside /srv/mine -mindepth 1 ! -name "*.sock" -delete; mkdir /srv/outside/empty
            echo secret >/srv/outside/secret; echo mine >/srv/mine/mine; echo shared >/dev/shm/aurora-attack
            ln /srv/outside/secret /srv/mine/premade
            cp /usr/local/bin/attack /srv/outside/program; cp /usr/local/bin/attack /srv/mine/program
            timeout 20 /usr/local/bin/attack "$name" /srv/outside /srv/mine "$victim" "$port" >/dev/null 2>&1 && worked=$((worked + 1))
          done; [ "$worked" -ge ${MOST[arch.name]} ] && echo most || echo "$worked"`,
        expected: "most",
      },
      {
        name: `the same in a service: only information (${expected.length} of ${attacks.length})`,
        script: `${COMMANDS} aurora daemon --print-systemd-unit >/etc/systemd/system/aurora.service
          systemctl enable --quiet --now aurora; mkdir -p /var/lib/aurora/data/attacker
          cp /srv/target /var/lib/aurora/data/attacker/target
          aurora install /packs/attacker --approve --quiet
          until_ test -e /var/lib/aurora/data/attacker/done; cd /var/lib/aurora/data/attacker
          wc -l <outcomes; grep " killed$" outcomes; grep " 0$" outcomes | cut -d " " -f 1 | sort`,
        expected: [
          "committed",
          "attacker 1.0.0, generation 1",
          attacks.length,
          "memory killed",
          ...expected,
        ].join("\n"),
      },
    ],
  };
}
