/**
 * Shows on virtual machines what only a machine of its own can show: control groups that systemd delegates, systemd itself, power
 * cuts, other kernels.
 *
 *   bun scripts/vm.ts --directory DIR [--binary PATH] [--suite bookworm|trixie] [--series A,B] [--cuts N]
 *
 * Needs root, Linux on x64, and Debian's qemu-system-x86, debootstrap, e2fsprogs and gcc. The machines run on any processor, since
 * qemu emulates theirs, and so are some twenty times slower than this one: all of it takes half an hour to an hour, the first time some
 * minutes more for a Debian, which stays in DIR (600 MB). Exit code 0 where everything holds, 1 where something does not, 2 where
 * it cannot be shown here.
 */
import { existsSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

import { attackSeries } from "./vm/attacks.ts";
import { makeCheck, type Outcome, type Series } from "./vm/check.ts";
import { controlGroups } from "./vm/control-groups.ts";
import { buildImage, type Image } from "./vm/image.ts";
import { Machine } from "./vm/machine.ts";
import { powerCuts } from "./vm/power-cuts.ts";
import { systemd } from "./vm/systemd.ts";

const { values } = parseArgs({
  options: {
    directory: { type: "string", default: "" },
    binary: { type: "string", default: "dist/aurora" },
    suite: { type: "string", default: "bookworm" },
    series: { type: "string" },
    cuts: { type: "string", default: "15" },
  },
});
const missing = ["qemu-system-x86_64", "debootstrap", "mkfs.ext4", "gcc"].filter(
  (name) => Bun.which(name) === null,
);
const problem =
  values.directory === ""
    ? "give a directory for the machines: --directory DIR"
    : !existsSync(values.binary)
      ? "give the compiled program: --binary PATH (bun run build makes one)"
      : process.getuid?.() !== 0
        ? "making a Debian needs root"
        : missing.length > 0
          ? `there is no ${missing.join(", ")}`
          : undefined;
if (problem !== undefined) {
  console.error(problem);
  process.exit(2);
}
const directory = resolve(values.directory);
mkdirSync(directory, { recursive: true });
const image = buildImage(directory, values.suite, values.binary);
const all = [controlGroups, systemd, attackSeries(values.suite), powerCuts(Number(values.cuts))];
const names = values.series?.split(",");
const outcomes: Outcome[] = [];
for (const series of all.filter(({ name }) => names === undefined || names.includes(name)))
  outcomes.push(...(await makeSeries(series, image)));
const broken = outcomes.filter(({ fault }) => fault !== undefined).length;
console.log(`${values.suite}: ${outcomes.length - broken} ok, ${broken} broken`);
process.exit(broken > 0 ? 1 : 0);

/** On a machine of its own; each line as soon as it is known. */
async function makeSeries({ name: series, checks }: Series, made: Image): Promise<Outcome[]> {
  await using machine = new Machine(made, directory, `${values.suite}-${series}`);
  await machine.boot();
  const outcomes: Outcome[] = [];
  for (const check of checks) {
    const began = performance.now();
    const fault = await makeCheck(machine, check).catch(String);
    const seconds = (performance.now() - began) / 1000;
    const verdict = fault === undefined ? "ok    " : "BROKEN";
    console.log(`${verdict}  ${seconds.toFixed(0).padStart(4)} s  ${series}: ${check.name}`);
    if (fault !== undefined) console.log(fault.replaceAll(/^/gm, "        "));
    outcomes.push({ series, name: check.name, fault, seconds });
  }
  return outcomes;
}
