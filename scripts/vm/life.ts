import { type Arch } from "./arch.ts";
import { type Series } from "./check.ts";
import { COMMANDS, USER_COMMANDS } from "./commands.ts";

/** The layers that a service or a command of a pack has in all cases; which the kernel adds depends on its age. */
const LAYERS = ["landlock-files", "seccomp", "no-new-privileges", "mount-namespace", "process-namespace"];

/** The project's own packs through their whole life, as `scripts/demo` takes them, and what runs without any daemon. */
export function life({ name: arch }: Arch): Series {
  return {
    name: "life",
    checks: [
      {
        name: "the program is of this processor, and knows the machine",
        script: `aurora version; aurora device | grep "^os"`,
        expected: new RegExp(`^aurora .*, linux-${arch}\\)\\nos +linux ${arch}$`),
      },
      {
        name: "doctor finds nothing wrong, but for the group of the shell it runs in",
        script: `aurora doctor 2>&1 | grep -v "^ok "; aurora doctor >/dev/null 2>&1; echo $?`,
        expected: "0",
      },
      {
        name: "doctor's self test of this disk",
        script: `aurora doctor --selftest >/tmp/selftest 2>&1; code=$?; tail -n 20 /tmp/selftest; echo "$code"`,
        expected: /nothing is half done[^]*\n0$/,
      },
      {
        name: "the demonstration, as root",
        script: `cd /srv/aurora && AURORA_BINARY=/usr/local/bin/aurora scripts/demo 2>&1 | tail -n 30`,
        expected: /demo: everything was as it should be$/,
      },
      {
        name: "the demonstration, as an ordinary user",
        script: `${USER_COMMANDS} until_ systemctl is-active user@1000
          as_user env AURORA_BINARY=/usr/local/bin/aurora /srv/aurora/scripts/demo 2>&1 | tail -n 30`,
        expected: /demo: everything was as it should be$/,
      },
      {
        name: "a command of a pack has every layer",
        script: `${COMMANDS} aurora install /packs/first --approve --quiet >/dev/null
          aurora status first --json | grep -o -E '"name":"(${LAYERS.join("|")})","enforced":true' | cut -d '"' -f 4`,
        expected: LAYERS.join("\n"),
      },
      {
        name: "TypeScript runs, by itself and in a pack, and is confined there",
        script: `${COMMANDS} echo 'const of: string = process.arch; console.log(of, await Bun.file(Bun.argv[2]!).text().catch((e) => e.code));' >/tmp/look.ts
          echo secret >/srv/secret; chmod 644 /srv/secret; aurora run /tmp/look.ts /srv/secret
          cp -r /packs/first /tmp/typed; cp /tmp/look.ts /tmp/typed/; sed -i 's/  version: .*/  version: 2.0.0/' /tmp/typed/manifest.yaml
          aurora install /tmp/typed --approve --quiet >/dev/null; aurora exec first -- ./look.ts /srv/secret`,
        expected: `${arch} secret\n\n${arch} EACCES`,
      },
      {
        name: "a time limit ends the whole tree, and the exit code says so",
        script: `aurora exec first --timeout 2 -- sh -c 'sleep 4545 & sleep 4545'; echo $?; pgrep -c -f "[s]leep 4545"`,
        expected: /124\n0$/,
      },
    ],
  };
}
