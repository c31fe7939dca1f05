/**
 * Shows on virtual machines what only a machine of its own can show: control groups that systemd delegates, systemd itself, power
 * cuts, other kernels, another processor.
 *
 *   bun scripts/vm.ts --directory DIR [--binary PATH] [--suite SUITE] [--arch x64|arm64] [--series A,B] [--cuts N]
 *
 * SUITE is bookworm, trixie or trixie-backports. Needs root, Linux on x64, and Debian's qemu-system-x86, debootstrap, e2fsprogs,
 * xfsprogs, btrfs-progs and gcc; for arm64 qemu-system-arm, qemu-user-static (registered with the kernel's binfmt_misc) and
 * gcc-aarch64-linux-gnu. The machines run on any processor, since qemu emulates theirs, and so are some twenty times slower
 * than this one: all of it takes an hour or two, the first time some minutes more for a Debian, which stays in DIR (1 GB).
 * Exit code 0 where everything holds, 1 where something does not, 2 where it cannot be shown here.
 */
import { existsSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

import { type Arch, ARCHES } from "./vm/arch.ts";
import { attackSeries } from "./vm/attacks.ts";
import { auditSeries } from "./vm/audit.ts";
import { makeCheck, type Outcome, type Series } from "./vm/check.ts";
import { controlGroups } from "./vm/control-groups.ts";
import { buildImage, type Image, SUITES } from "./vm/image.ts";
import { life } from "./vm/life.ts";
import { Machine } from "./vm/machine.ts";
import { powerCuts } from "./vm/power-cuts.ts";
import { systemd } from "./vm/systemd.ts";
import { tests } from "./vm/tests.ts";

const { values } = parseArgs({
  options: {
    directory: { type: "string", default: "" },
    binary: { type: "string", default: "dist/aurora" },
    suite: { type: "string", default: "bookworm" },
    arch: { type: "string", default: "x64" },
    series: { type: "string" },
    cuts: { type: "string", default: "15" },
  },
});
const arch = ARCHES.find(({ name }) => name === values.arch);
const needed = ["debootstrap", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "setpriv"];
const missing = [arch?.emulator[0] ?? "", arch?.compiler ?? "", ...needed].filter(
  (name) => Bun.which(name) === null,
);
const names = values.series?.split(",") ?? [];
const series = arch === undefined ? [] : allSeries(arch);
const unknown = names.filter((name) => !series.some((one) => one.name === name));
const problem = (
  [
    [values.directory === "", "give a directory for the machines: --directory DIR"],
    [
      arch === undefined,
      `there are machines of two processors: --arch ${ARCHES.map(({ name }) => name).join(", ")}`,
    ],
    [!SUITES.includes(values.suite), `there are machines of three releases: --suite ${SUITES.join(", ")}`],
    [
      unknown.length > 0,
      `there is no series ${unknown.join(", ")}: --series ${series.map(({ name }) => name).join(",")}`,
    ],
    [!/^[1-9]\d*$/.test(values.cuts), "--cuts takes a number"],
    [
      !existsSync(values.binary),
      "give the compiled program: --binary PATH (bun scripts/build.ts --target linux-ARCH makes one)",
    ],
    [process.getuid?.() !== 0, "making a Debian needs root"],
    [missing.length > 0, `there is no ${missing.join(", ")}`],
  ] as const
).find(([isSo]) => isSo)?.[1];
if (problem !== undefined || arch === undefined) {
  console.error(problem);
  process.exit(2);
}
const directory = resolve(values.directory);
mkdirSync(directory, { recursive: true });
const image = buildImage(directory, values.suite, arch, values.binary);
const outcomes: Outcome[] = [];
for (const one of series.filter(({ name }) => names.length === 0 || names.includes(name)))
  outcomes.push(...(await makeSeries(one, image)));
const broken = outcomes.filter(({ fault }) => fault !== undefined).length;
console.log(`${values.suite} ${arch.name}: ${outcomes.length - broken} ok, ${broken} broken`);
process.exit(broken > 0 ? 1 : 0);

function allSeries(machines: Arch): Series[] {
  const cuts = Number(values.cuts);
  return [
    controlGroups,
    systemd,
    life(machines),
    attackSeries(values.suite, machines),
    auditSeries(values.suite),
    powerCuts(cuts),
    powerCuts(cuts, "xfs"),
    powerCuts(cuts, "btrfs"),
    tests,
  ];
}

/** On a machine of its own; each line as soon as it is known. One that does not boot is a line as well, and the only one. */
async function makeSeries({ name, checks, ...extras }: Series, made: Image): Promise<Outcome[]> {
  await using machine = new Machine(made, directory, `${values.suite}-${made.arch.name}-${name}`, extras);
  const outcomes: Outcome[] = [];
  const note = (what: string, fault: string | undefined, began: number) => {
    const seconds = (performance.now() - began) / 1000;
    const verdict = fault === undefined ? "ok    " : "BROKEN";
    console.log(`${verdict}  ${seconds.toFixed(0).padStart(4)} s  ${name}: ${what}`);
    if (fault !== undefined) console.log(fault.replaceAll(/^/gm, "        "));
    outcomes.push({ series: name, name: what, fault, seconds });
  };
  const start = performance.now();
  try {
    await machine.boot();
  } catch (thrown) {
    note("the machine boots", String(thrown), start);
    return outcomes;
  }
  for (const check of checks) {
    const began = performance.now();
    note(check.name, await makeCheck(machine, check).catch(String), began);
  }
  return outcomes;
}
