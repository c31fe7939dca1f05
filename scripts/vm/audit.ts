import { type Series } from "./check.ts";
import { COMMANDS } from "./commands.ts";

/** Why Landlock is off in an audit, by Debian's release. */
const UNTOLD: Record<string, string> = {
  bookworm: "this kernel does not tell what it refuses: that needs Landlock ABI 7, and this kernel has 2",
  trixie: "this kernel does not tell what it refuses: that needs Landlock ABI 7, and this kernel has 6",
};
/** On a kernel that tells what Landlock refuses: the last is the filter's. */
const TOLD = `was refused: fs.make_dir /srv
was refused: fs.read_file /srv/a secret
was refused: net.connect_tcp port 80
would be refused: chmod`;

/** What `exec --audit` reports where the kernel's audit is on. */
export function auditSeries(suite: string): Series {
  const untold = UNTOLD[suite];
  const told = untold === undefined ? TOLD : "would be refused: chmod";
  return {
    name: "audit",
    kernelOptions: "audit=1",
    checks: [
      {
        name: "a pack with a port is installed",
        script: `${COMMANDS} echo secret >"/srv/a secret"; cp -r /packs/first /tmp/port
          sed -i 's/  safety/  permissions: { net: { connect: [443] } }\\n  safety/' /tmp/port/manifest.yaml
          aurora install /tmp/port --approve --quiet`,
        expected: "committed\nfirst 1.0.0, generation 1",
      },
      {
        name: "what was refused is named, with files and ports, or why that cannot be told",
        script: `cat >/tmp/try.sh <<'END'
chmod 4755 "$AURORA_DATA_DIR"; mkdir /srv/made; cat "/srv/a secret"; exec 3<>/dev/tcp/127.0.0.1/80
END
          aurora exec first --audit -- bash -c "$(cat /tmp/try.sh)" 2>&1 |
            sed -E 's/fchmodat2?/chmod/; s/ (by .*)?\\(.*//' | grep -x -E "$(echo "${told}" | paste -s -d "|")|cannot tell for landlock-files.*" | sort -u`,
        expected:
          untold === undefined
            ? told
            : `cannot tell for landlock-files: Landlock can only refuse, and ${untold}\n${told}`,
      },
      {
        name: "a hundred at once are all there",
        script: `aurora exec first --audit --json -- sh -c 'for n in $(seq 100); do chmod 4755 "$AURORA_DATA_DIR"; done' 2>/dev/null >/tmp/audit
          grep -o -E '"call":"fchmodat2?"' /tmp/audit | wc -l; grep -o '"is_complete":[a-z]*' /tmp/audit`,
        expected: '100\n"is_complete":true',
      },
      {
        name: "an ordinary user is told why not",
        script: `${COMMANDS} runuser -u ordinary -- env -C /home/ordinary aurora install /packs/first --approve --quiet --no-start >/dev/null
          runuser -u ordinary -- env -C /home/ordinary aurora exec first --audit -- true 2>&1 | grep "cannot be read"`,
        expected: /the kernel's reports cannot be read: operation not permitted$/,
      },
    ],
  };
}
