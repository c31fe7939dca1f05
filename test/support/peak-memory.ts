/**
 * The largest resident size of a shell command's processes, in bytes. Python stands in between, because a process inherits the
 * largest size of the one that started it, and a test runner grows large.
 */
export async function peakMemory(script: string, env: Record<string, string>): Promise<number> {
  const measure =
    "import resource, subprocess, sys; subprocess.run(['sh', '-ec', sys.argv[1]], check=True); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
  const child = Bun.spawn(["python3", "-c", measure, script], { env, stdin: "ignore", stdout: "pipe" });
  const kilobytes = Number((await child.stdout.text()).trim().split("\n").at(-1));
  if ((await child.exited) !== 0) throw new Error(`the command failed: ${script}`);
  return kilobytes * 1024;
}
