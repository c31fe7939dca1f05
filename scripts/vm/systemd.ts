import { type Act, type Series } from "./check.ts";
import { COMMANDS, USER_COMMANDS } from "./commands.ts";
import { type Machine } from "./machine.ts";

/** Their first processes, by number. */
const PIDS = `pids() { for pack in first limited last; do aurora status "$pack" --json | grep -o '"pid":[0-9]*'; done; }
main() { systemctl show --property MainPID --value aurora; }
`;
/** When each said that it ended, in the order of their ends: since the last boot there was one for each. */
const ENDS = "sed -n 's/^\\([a-z]*\\) ended \\([0-9]*\\)$/\\2 \\1/p'";

/** What an older kernel does not have. */
const MISSING = "landlock-(ports|scopes)";

/** The printed units under a systemd that runs the machine. */
export const systemd: Series = {
  name: "systemd",
  checks: [
    {
      name: "services of three packs run, each after what it needs",
      script: `${COMMANDS} aurora daemon --print-systemd-unit >/etc/systemd/system/aurora.service
        systemctl enable --quiet --now aurora
        aurora install /packs/last /packs/limited /packs/busy --approve --quiet; aurora stop busy`,
      expected: /^committed\n(.*1\.0\.0.*\n){5}busy is stopped$/,
    },
    {
      name: "systemctl reload: the same daemon, the same services",
      script: `${COMMANDS}${PIDS} before="$(pids) $(main)"; systemctl reload aurora; systemctl is-active aurora
        [ "$before" = "$(pids) $(main)" ] && echo "the same"`,
      expected: "active\nthe same",
    },
    {
      name: "another program file: active all the time, the same number, the same services",
      script: `${COMMANDS}${PIDS} before="$(pids) $(main)"; cp /usr/local/bin/aurora /usr/local/bin/aurora.new
        mv /usr/local/bin/aurora.new /usr/local/bin/aurora; aurora daemon reload --binary >/dev/null
        systemctl is-active aurora; [ "$before" = "$(pids) $(main)" ] && echo "the same"
        [ "$(stat -L -c %i /proc/$(main)/exe)" = "$(stat -c %i /usr/local/bin/aurora)" ] && echo "the new file"
        systemctl show --property NRestarts --value aurora`,
      expected: "active\nthe same\nthe new file\n0",
    },
    {
      name: "SIGKILL: systemd starts the daemon again, six times in a row, and it takes the services over",
      script: `${COMMANDS}${PIDS} before="$(pids)"
        for n in $(seq 6); do
          old=$(main); kill -KILL "$old"
          back() { [ "$(main)" != "$old" ] && [ "$(systemctl is-active aurora)" = active ]; }; until_ back
        done
        [ "$before" = "$(pids)" ] && echo "the same"; systemctl show --property NRestarts --value aurora
        aurora status --json | grep -o '"restarts":[^0]' | wc -l; cat /sys/fs/cgroup/system.slice/aurora.service/aurora-*-*/memory.max`,
      expected: "the same\n6\n0\n67108864",
    },
    {
      name: "systemctl stop ends the daemon and leaves the services; start takes them over",
      script: `${COMMANDS}${PIDS} before="$(pids)"; systemctl stop aurora; systemctl is-active aurora
        pgrep -c -f "^/usr/local/bin/aurora daemon"; systemctl start aurora; [ "$before" = "$(pids)" ] && echo "the same"`,
      expected: "inactive\n0\nthe same",
    },
    {
      name: "aurora daemon stop is no failure, and systemd does not start it again",
      script: `${COMMANDS} aurora daemon stop >/dev/null; sleep 5
        systemctl show --property ActiveState,SubState,Result aurora; systemctl start aurora`,
      expected: "Result=success\nActiveState=inactive\nSubState=dead",
    },
    {
      name: "systemctl restart takes the services over",
      script: `${COMMANDS}${PIDS} before="$(pids)"; systemctl restart aurora; systemctl is-active aurora
        [ "$before" = "$(pids)" ] && echo "the same"`,
      expected: "active\nthe same",
    },
    {
      name: "in the unit every layer holds that this kernel has",
      script: `aurora status limited --json | grep -o '"name":"[a-z-]*","enforced":false' | grep -v -E "${MISSING}"
        aurora status limited | tail -n 1`,
      expected: /^limited .*enforced$/,
    },
    {
      name: "a pack can do there what it was allowed: files, ports, sockets, programs, its entry, files and jobs",
      script: `${COMMANDS} mkdir -p /srv/shared; chmod 1777 /srv/shared
        aurora install /packs/able --approve --quiet; until_ test -e /var/lib/aurora/data/able/faults
        cat /var/lib/aurora/data/able/faults; aurora remove able --purge --quiet`,
      expected: "committed\nable 1.0.0, generation 1\nable is removed",
    },
    {
      name: "an ordinary user's services run under its own unit",
      script: `${USER_COMMANDS} until_ systemctl is-active user@1000; user_unit
        as_user aurora install /packs/last --approve --quiet`,
      expected: /^committed\n(.*1\.0\.0.*\n?){3}$/,
    },
    switchOff(),
    {
      name: "services had ended in their order: what needs others before them",
      script: `cat /var/lib/aurora/logs/{first,once,last}/*.log | ${ENDS} | sort | tail -n 3 | cut -d " " -f 2`,
      expected: "last\nonce\nfirst",
    },
    {
      name: "and those of the ordinary user too",
      script: `cat /home/ordinary/.local/share/aurora/logs/{first,once,last}/*.log | ${ENDS} | sort | tail -n 3 | cut -d " " -f 2`,
      expected: "last\nonce\nfirst",
    },
    {
      name: "the next boot starts what ran, and not what was stopped",
      script: `${USER_COMMANDS} aurora wait first once last limited --for running --timeout 120 --quiet >/dev/null
        aurora list | sed 's/  */ /g' | cut -d " " -f 1,4; as_user aurora wait last --for running --timeout 120 --quiet >/dev/null
        as_user aurora list | sed 's/  */ /g' | cut -d " " -f 1,4`,
      expected: `PACK STATE
busy stopped
first running
last running
limited running
once running
PACK STATE
first running
last running
once running`,
    },
    {
      name: "a user's services end in their order with the user's last session",
      script: `${USER_COMMANDS} cd /home/ordinary/.local/share/aurora/logs; for log in */*.log; do : >"$log"; done
        loginctl disable-linger ordinary; ended() { [ "$(systemctl is-active user@1000)" = inactive ]; }; until_ ended
        cat {first,once,last}/*.log | ${ENDS} | sort | cut -d " " -f 2`,
      expected: "last\nonce\nfirst",
    },
    {
      name: "the journal has no error of Aurora's, but for the kills above",
      script: `journalctl --unit aurora --priority err --output cat
        journalctl --unit aurora --output cat | grep -E "status=219|repeated too quickly|warning|cannot" | grep -v -E "usually indicates|${MISSING} is not available"`,
      expected: "",
    },
  ],
};

/** `systemctl poweroff`, within the time that services have, and on again. */
function switchOff(): Act {
  return {
    name: "systemctl poweroff is done within 60 s, and the machine comes back",
    async act(machine: Machine) {
      const began = performance.now();
      machine.begin("systemctl poweroff");
      await machine.off();
      const seconds = (performance.now() - began) / 1000;
      await machine.boot();
      return seconds < 60 ? undefined : `it took ${seconds} s`;
    },
  };
}
