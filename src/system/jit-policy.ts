/**
 * Lets the runtime compile as early as it does by itself. The program starts with sixteen times its thresholds (`jitPolicy` in
 * scripts/build.ts), since most of what a command runs it runs once: what goes on for longer calls this. For the calling thread.
 */
export function compileEarly(): void {
  Bun.unsafe.setJITPolicy(1);
}
