import { bad, type Check, examineHome, good } from "../lifecycle/examine-home.ts";
import { type MachineLayer, machineLayers, machineSummary } from "../lifecycle/machine-confinement.ts";
import { type SelftestReport } from "../lifecycle/selftest/selftest.ts";
import { probeKernel } from "../process/confinement/kernel.ts";
import { readDevice } from "../system/device/read-device.ts";
import { ensureHome } from "../system/ensure-home.ts";
import { homePaths } from "../system/home.ts";
import { formatSize } from "../system/units.ts";
import { type Context, type Input, type Paint } from "./command.ts";

type Result = {
  ok: boolean;
  checks: Check[];
  /** With --selftest. */
  selftest?: Omit<SelftestReport, "checks">;
};

export async function run(context: Context, { options }: Input<"selftest">): Promise<Result> {
  const paths = homePaths(context.home);
  if (options.selftest === true) ensureHome(paths);
  const checks = [...examineMachine(context), ...examineHome(paths, process.getuid?.() ?? 0)];
  if (options.selftest !== true) return { ok: checks.every(({ ok }) => ok), checks };
  const { selftest } = await import("../lifecycle/selftest/selftest.ts");
  const { checks: tried, ...report } = await selftest(paths, {
    self: context.self,
    signal: context.signal,
    onProgress: (text) => context.log.progress(text),
  });
  const all = [...checks, ...tried];
  return { ok: all.every(({ ok }) => ok), checks: all, selftest: report };
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

export function render({ checks, selftest }: Result, paint: Paint): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, ok, detail, hint }) => [
    `${ok ? paint.green("ok ") : paint.red("bad")}  ${name.padEnd(width)}  ${detail}`,
    ...(hint === null ? [] : [`     ${" ".repeat(width)}  ${paint.cyan("hint")}: ${hint}`]),
  ]);
  if (selftest) {
    lines.push("", `What this disk promises (tried for ${selftest.seconds} s):`);
    lines.push(...selftest.promises.map((text) => `  ${text}`), "Not tried:");
    lines.push(...selftest.not_tested.map((text) => `  ${text}`));
  }
  return lines.join("\n");
}

export function exitCode({ ok }: Result): number {
  return ok ? 0 : 1;
}
