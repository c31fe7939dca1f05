import { type Act, type Series } from "./check.ts";
import { type HomeDisk, type Machine } from "./machine.ts";

type Generation = { generation: number; version: string; outcome: string };
/** What was acknowledged: it stood on the serial console before the power went. */
type Acknowledged = { generation: number; version: string };

/** So long the machine works before a cut, in milliseconds, by chance. */
const SHORTEST_MS = 500;
const LONGEST_MS = 20_000;
/** Every so many cuts one comes while the machine boots, and recovers from the one before. */
const EARLY = 4;

/** Upgrades and goes back, over and over, and tells on the console what has been acknowledged, and what has been refused. */
const WORK = `nohup sh -c '
while :; do
  for change in "install /packs/cut-2.0.0" "rollback cut" "install /packs/cut-1.0.0" "install /packs/cut-2.0.0" "install /packs/cut-1.0.0"; do
    if answer=$(aurora $change --approve --json 2>/tmp/refused); then echo "acknowledged $answer" >/dev/console
    else echo "refused $change: $(tail -n 1 /tmp/refused)" >/dev/console; fi
  done
done' >/dev/null 2>&1 &`;

/** Waits until the second disk is there, as a machine does that has it in its table. */
const mount = (home: HomeDisk) => `
echo "/dev/vda /var/lib/aurora ${home} defaults 0 0" >>/etc/fstab
mkdir -p /var/lib/aurora && systemctl daemon-reload && mount /var/lib/aurora && findmnt --noheadings --output FSTYPE /var/lib/aurora`;

/**
 * The power is cut `cuts` times, at moments of chance: each time what is there after the boot is the old or the new state.
 *
 * @param home the file system of a disk that the home has for itself; else the home is on the machine's own, ext4
 */
export function powerCuts(cuts: number, home?: HomeDisk): Series {
  return {
    name: home === undefined ? "power" : `power-${home}`,
    ...(home === undefined ? {} : { home }),
    checks: [
      ...(home === undefined
        ? []
        : [{ name: `the home is on ${home}`, script: mount(home), expected: home }]),
      {
        name: "the daemon is a unit, and a pack is installed",
        script: `aurora daemon --print-systemd-unit >/etc/systemd/system/aurora.service
          systemctl enable --quiet --now aurora && aurora install /packs/cut-1.0.0 --approve --quiet && sync`,
        expected: "committed\ncut 1.0.0, generation 1",
      },
      ...Array.from({ length: cuts }, (_, index) => cut(index + 1)),
      wasAtWork,
      confirmation,
    ],
  };
}

function cut(number: number): Act {
  return {
    name: `power cut ${number}`,
    async act(machine) {
      machine.begin(WORK);
      await Bun.sleep(SHORTEST_MS + Math.random() * (LONGEST_MS - SHORTEST_MS));
      await machine.cutPower();
      if (number % EARLY === 0) {
        const booting = machine.boot().catch(() => {});
        await Bun.sleep(Math.random() * LONGEST_MS);
        await machine.cutPower();
        await booting;
        // It may have been switched on again meanwhile.
        await machine.cutPower();
      }
      const last = answersIn(machine.said()).at(-1) ?? { generation: 1, version: "1.0.0" };
      await machine.boot();
      return await stateFault(machine, last);
    },
  };
}

/** The answers that stand on the console. */
function answersIn(console: string): Acknowledged[] {
  return [...console.matchAll(/acknowledged (\{.*\})\r?$/gm)].map(
    ([, json]) => (JSON.parse(json ?? "") as { packs: [Acknowledged] }).packs[0],
  );
}

/** Cuts between which nothing is done would show nothing. */
const wasAtWork: Act = {
  name: "between the cuts changes were made, and none was refused",
  act: (machine) => {
    const said = machine.said();
    const refused = said.match(/^refused .*$/gm) ?? [];
    return Promise.resolve(
      answersIn(said).length === 0
        ? "nothing was acknowledged"
        : refused.length > 0
          ? refused.join("\n")
          : undefined,
    );
  },
};

/** What is wrong after the boot, if anything: what was acknowledged is there, or one change later than that, and it runs. */
async function stateFault(machine: Machine, acknowledged: Acknowledged): Promise<string | undefined> {
  const { output } = await machine.run(`
    aurora wait cut --for running --timeout 120 --quiet >/dev/null; aurora verify --json; aurora list --json
    aurora history cut --json; cat /var/lib/aurora/data/cut/started; echo $(ls /var/lib/aurora/tmp)
    basename "$(readlink /var/lib/aurora/live/cut)"`);
  try {
    const [verified, listed, history, started, scratch, live] = output.split("\n");
    const { ok } = JSON.parse(verified ?? "") as { ok: boolean };
    const [pack] = JSON.parse(listed ?? "") as (Acknowledged & { state: string; digest: string })[];
    const generations = JSON.parse(history ?? "") as Generation[];
    const isThere = generations.some(
      ({ generation, version, outcome }) =>
        generation === acknowledged.generation && version === acknowledged.version && outcome === "committed",
    );
    const faults = [
      ok ? "" : "it does not verify",
      isThere ? "" : "what was acknowledged is not in the history",
      pack?.state === "running" ? "" : `it is ${pack?.state}`,
      pack?.version === started ? "" : `${started} was started`,
      pack?.digest === `sha256:${live}` ? "" : `${live} is live`,
      // Nothing is at work: the pack has neither a health check nor a job.
      scratch === "" ? "" : `tmp has ${scratch}`,
      (pack?.generation ?? 0) >= acknowledged.generation ? "" : `generation ${pack?.generation} is live`,
    ].filter(Boolean);
    return faults.length === 0
      ? undefined
      : `${faults.join(", ")} after ${JSON.stringify(acknowledged)}:\n${output}`;
  } catch {
    return output;
  }
}

const confirmation: Act = {
  name: "an upgrade that nobody confirms goes back after a power cut, by the daemon",
  async act(machine) {
    await machine.run("aurora install /packs/cut-1.0.0 --approve --quiet");
    const { rc, output } = await machine.run(
      "aurora install /packs/cut-2.0.0 --approve --confirm-within 90s --quiet",
    );
    if (rc !== 0) return output;
    await machine.cutPower();
    await machine.boot();
    // A command that looks would do it as well.
    const { output: after } = await machine.run(`
      undone() { journalctl --boot --unit aurora --output cat | grep -o "finished an interrupted transaction .*: rolled-back"; }
      for n in $(seq 300); do undone >/dev/null && break; sleep 1; done; undone
      aurora wait cut --for running --timeout 60 --quiet >/dev/null
      aurora list --json; cat /var/lib/aurora/data/cut/started; aurora history cut | tail -n 1`);
    return /^finished .*\n.*"version":"1\.0\.0".*"state":"running".*\n1\.0\.0\n/.test(after)
      ? undefined
      : after;
  },
};
