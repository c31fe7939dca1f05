import { bad, type Check, examineHome, good } from "../lifecycle/examine-home.ts";
import { type MachineLayer, machineLayers, machineSummary } from "../lifecycle/machine-confinement.ts";
import { probeKernel } from "../process/confinement/kernel.ts";
import { readDevice } from "../system/device/read-device.ts";
import { homePaths } from "../system/home.ts";
import { formatSize } from "../system/units.ts";
import { type Context, type Paint } from "./command.ts";

type Result = { ok: boolean; checks: Check[] };

export function run(context: Context): Result {
  const checks = [
    ...examineMachine(context),
    ...examineHome(homePaths(context.home), process.getuid?.() ?? 0),
  ];
  return { ok: checks.every(({ ok }) => ok), checks };
}

function examineMachine(context: Context): Check[] {
  const { os, arch, kernel, cpus, memory_bytes } = readDevice(context.env);
  const shell = Bun.which("sh", { PATH: context.env["PATH"] ?? "" });
  return [
    good("machine", `${os} ${arch}, kernel ${kernel}, ${cpus} cpus, ${formatSize(memory_bytes)} of memory`),
    shell === null
      ? bad("shell", "there is no sh on PATH", "packs with shell scripts will not run")
      : good("shell", shell),
    ...examineConfinement(machineLayers(probeKernel(), process.geteuid?.() === 0), os),
  ];
}

/** One line on the whole, and one for each layer that is missing. What is missing and only adds to the rest is no fault. */
function examineConfinement(layers: readonly MachineLayer[], os: string): Check[] {
  const summary = machineSummary(layers);
  const isWhole = layers.every(({ available, is_required }) => available || !is_required);
  const hint = 'packs with "confinement: required" are refused here, others run with what is left';
  return [
    isWhole || os !== "linux" ? good("confinement", summary) : bad("confinement", summary, hint),
    ...layers.flatMap(({ name, reason }) => (reason === null ? [] : [good(name, `missing: ${reason}`)])),
  ];
}

export function render({ checks }: Result, paint: Paint): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  return checks
    .flatMap(({ name, ok, detail, hint }) => [
      `${ok ? paint.green("ok ") : paint.red("bad")}  ${name.padEnd(width)}  ${detail}`,
      ...(hint === null ? [] : [`     ${" ".repeat(width)}  ${paint.cyan("hint")}: ${hint}`]),
    ])
    .join("\n");
}

export function exitCode({ ok }: Result): number {
  return ok ? 0 : 1;
}
