import { type Series } from "./check.ts";
import { USER_COMMANDS } from "./commands.ts";

const GROUP = "/sys/fs/cgroup/system.slice/aurora.service";
const USER_GROUP = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/aurora.service";
const ADDED = "landlock-scopes|landlock-ports";

/** What `status` says of the service with limits: `restarts COMMAND`, `layer COMMAND`. */
const LOOKS = `${USER_COMMANDS}
restarts() { "$@" status limited --json | grep -o '"restarts":[0-9]*'; }
layer() { "$@" status limited --json | grep -o '"name":"control-group","enforced":[a-z]*'; }
told() { grep -o "killed for lack of memory: it took more than its limit" | sort -u; }
`;
const TOLD = "killed for lack of memory: it took more than its limit";

/** Limits of a whole service, on the groups that systemd delegates: as root, and as an ordinary user. */
export const controlGroups: Series = {
  name: "control-groups",
  checks: [
    {
      name: "a shell's own group is no use: device, doctor and plan say why",
      script: `for command in device doctor "plan /packs/limited"; do
          aurora $command 2>/dev/null | grep -c "control-group.*its control group has other processes in it"; done`,
      expected: "1\n1\n1",
    },
    {
      name: "the printed unit starts, and is active when the daemon is ready",
      script: `aurora daemon --print-systemd-unit >/etc/systemd/system/aurora.service
        systemctl enable --quiet --now aurora; systemctl is-active aurora; aurora daemon status | head -n 1`,
      expected: /^active\n.*running/,
    },
    {
      name: "a service with limits has a group of its own, and status says so",
      script: `${LOOKS} aurora install /packs/limited /packs/first --approve --quiet; layer aurora
        cd ${GROUP}/aurora-*-1 && cat memory.max memory.swap.max memory.oom.group pids.max`,
      expected: `committed
first 1.0.0, generation 1
limited 1.0.0, generation 1
"name":"control-group","enforced":true
67108864
0
1
18`,
    },
    {
      name: "what takes too much memory is killed as a whole, within its group; nothing else is",
      script: `${LOOKS} daemon=$(systemctl show --property MainPID --value aurora); first=$(aurora status first --json)
        touch /var/lib/aurora/data/limited/eat; aurora restart limited >/dev/null
        restarted() { [ "$(restarts aurora)" = '"restarts":1' ]; }; until_ restarted
        journalctl --dmesg --output cat | grep -c -E "oom-kill:constraint=CONSTRAINT_MEMCG.*oom_memcg=${GROUP.slice(14)}/aurora-"
        journalctl --dmesg --output cat | grep -c "Tasks in .* are going to be killed due to memory.oom.group set"
        [ "$daemon" = "$(systemctl show --property MainPID --value aurora)" ] && echo "the same daemon"
        [ "\${first%%memory*}" = "$(aurora status first --json | sed 's/memory.*//')" ] && echo "the same first"`,
      expected: "1\n1\nthe same daemon\nthe same first",
    },
    {
      name: "events and why say that it was killed for that",
      script: `${LOOKS} aurora events limited | told; aurora why limited | told; aurora events first | told`,
      expected: `${TOLD}\n${TOLD}`,
    },
    {
      name: "so they do where another daemon has started it, and nobody is its parent",
      script: `${LOOKS} cd /var/lib/aurora/data/limited; touch later eat; aurora restart limited >/dev/null
        main() { systemctl show --property MainPID --value aurora; }; old=$(main); kill -KILL "$old"
        back() { [ "$(main)" != "$old" ] && [ "$(systemctl is-active aurora)" = active ]; }; until_ back
        rm later; restarted() { [ "$(restarts aurora)" = '"restarts":1' ]; }; until_ restarted
        aurora events limited -n 3 | told; aurora why limited | told`,
      expected: `${TOLD}\n${TOLD}`,
    },
    {
      name: "a command in a group of its own says so, and so do a job's record and why",
      script: `${LOOKS} greedy='for n in 1 2 3; do { head -c 30000000 /dev/zero; sleep 1000; } | tail -n 1 & done; wait'
        systemd-run --quiet --scope --property Delegate=yes aurora exec limited --json -- sh -c "$greedy" 2>/dev/null |
          grep -o -E '"(rc|out_of_memory)":[a-z0-9]*'
        aurora schedule add limited --name greedy --in 1s --retries 0 -- sh -c "$greedy" >/dev/null
        ended() { aurora schedule history limited greedy | grep -q failed; }; until_ ended
        aurora schedule history limited greedy | told; aurora why limited | grep 'job "greedy"' | told`,
      expected: `"rc":137\n"out_of_memory":true\n${TOLD}\n${TOLD}`,
    },
    {
      name: "a fork bomb stops at its number of processes",
      script: `${LOOKS} touch /var/lib/aurora/data/limited/multiply; aurora restart limited >/dev/null
        full() { [ "$(cat ${GROUP}/aurora-*-*/pids.current)" -ge 17 ]; }; until_ full
        sleep 2; cat ${GROUP}/aurora-*-*/pids.current`,
      expected: /^1[78]$/,
    },
    {
      name: "status tells the memory of the whole tree",
      script: `${LOOKS} touch /var/lib/aurora/data/limited/hold; aurora restart limited >/dev/null
        held() { [ "$(cat ${GROUP}/aurora-*-*/memory.current)" -gt 25000000 ]; }; until_ held; sleep 2
        shown=$(aurora status limited --json | sed 's/.*"memory_bytes":\\([0-9]*\\).*/\\1/')
        [ "$shown" -gt 25000000 ] && [ "$shown" -lt $(($(cat ${GROUP}/aurora-*-*/memory.current) + 8000000)) ] && echo right || echo "$shown"`,
      expected: "right",
    },
    {
      name: "stop ends what has left its session, its parent and its environment, and removes the group",
      script: `${LOOKS} touch /var/lib/aurora/data/limited/escape; aurora restart limited >/dev/null
        until_ pgrep -f "[s]leep 4242"; aurora stop limited; pgrep -c -f "[s]leep 4242"; ls -d ${GROUP}/*/`,
      expected: `limited is stopped\n0\n${GROUP}/aurora-self/`,
    },
    {
      name: "a limit of processor time holds for a command from the shell",
      script: `aurora install /packs/busy --approve --quiet >/dev/null; aurora exec busy -- ./spin.sh; echo $?`,
      expected: "152",
    },
    {
      name: "jobs run",
      script: `${LOOKS} until_ grep -q beat /var/lib/aurora/data/busy/beats; aurora schedule history busy | tail -n 1`,
      expected: /beat/,
    },
    {
      name: "what a oneshot pack's start leaves in its group is stopped with it (a command in a scope of its own)",
      script: `${LOOKS} systemd-run --quiet --scope --property Delegate=yes aurora install /packs/leaving --approve --quiet
        pgrep -c -f "[s]leep 4343"; aurora stop leaving >/dev/null; pgrep -c -f "[s]leep 4343"`,
      expected: "committed\nleaving 1.0.0, generation 1\n2\n0",
    },
    {
      name: "an ordinary user's printed unit starts, with the controllers that its manager delegates",
      script: `${LOOKS} until_ systemctl is-active user@1000
        user_unit; as_user systemctl --user is-active aurora
        cat ${USER_GROUP}/cgroup.controllers`,
      expected: /^active\n.*memory pids/,
    },
    {
      name: "a service of an ordinary user has its group",
      script: `${LOOKS} as_user aurora install /packs/limited --approve --quiet; layer as_user aurora
        cat ${USER_GROUP}/aurora-*-*/memory.max ${USER_GROUP}/aurora-*-*/pids.max`,
      expected: `committed\nlimited 1.0.0, generation 1\n"name":"control-group","enforced":true\n67108864\n18`,
    },
    {
      name: "it is killed as a whole when it takes too much memory",
      script: `${LOOKS} as_user touch .local/share/aurora/data/limited/eat; as_user aurora restart limited >/dev/null
        restarted() { [ "$(restarts as_user aurora)" = '"restarts":1' ]; }; until_ restarted
        journalctl --dmesg --output cat | grep -c -E "CONSTRAINT_MEMCG.*oom_memcg=${USER_GROUP.slice(14)}/aurora-"`,
      expected: "1",
    },
    {
      name: "its fork bomb stops",
      script: `${LOOKS} as_user touch .local/share/aurora/data/limited/multiply; as_user aurora restart limited >/dev/null
        full() { [ "$(cat ${USER_GROUP}/aurora-*-*/pids.current)" -ge 17 ]; }; until_ full
        sleep 2; cat ${USER_GROUP}/aurora-*-*/pids.current`,
      expected: /^1[78]$/,
    },
    {
      name: "its daemon comes back after SIGKILL, and the limits with it",
      script: `${LOOKS} pid() { as_user systemctl --user show --property MainPID --value aurora; }
        old=$(pid); kill -KILL "$old"
        back() { [ "$(pid)" != "$old" ] && as_user systemctl --user is-active aurora; }; until_ back
        cat ${USER_GROUP}/aurora-*-*/memory.max; restarts as_user aurora`,
      expected: `67108864\n"restarts":0`,
    },
    {
      name: "its stop ends all of it, and removes the group",
      script: `${LOOKS} as_user touch .local/share/aurora/data/limited/escape; as_user aurora restart limited >/dev/null
        until_ pgrep -f "[s]leep 4242"; as_user aurora stop limited; pgrep -c -f "[s]leep 4242"; ls -d ${USER_GROUP}/*/`,
      expected: `limited is stopped\n0\n${USER_GROUP}/aurora-self/`,
    },
    {
      name: "nothing else is missing on this machine",
      script: `${LOOKS} aurora start limited >/dev/null; aurora status limited --json | grep -o '"name":"[a-z-]*","enforced":false' | grep -v -E "${ADDED}"`,
      expected: "",
    },
  ],
};
