import { join } from "node:path";

const root = join(import.meta.dir, "../../..");

/**
 * Runs a command of the project; it has to succeed.
 *
 * @returns the processor time that it took, in milliseconds
 */
export function mustRun(argv: string[], home?: string): number {
  const { exitCode, stderr, resourceUsage } = Bun.spawnSync(argv, {
    cwd: root,
    env: { ...process.env, ...(home !== undefined && { AURORA_HOME: home }) },
    stdout: "ignore",
    stderr: "pipe",
  });
  if (exitCode !== 0)
    throw new Error(`"${argv.slice(0, 3).join(" ")}" ended with ${exitCode}: ${stderr.toString()}`);
  return Number(resourceUsage.cpuTime.total) / 1000;
}
