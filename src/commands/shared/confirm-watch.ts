import { type Context } from "../command.ts";

/**
 * Leaves a small process behind that rolls the change back when nobody confirms it in time. It is a convenience: without it
 * (after a reboot, say) the next command does the same before anything else.
 */
export function watchConfirmation(context: Context): void {
  const child = Bun.spawn([context.self, "recover", "--watch", "--home", context.home, "--quiet"], {
    cwd: "/",
    env: { PATH: context.env["PATH"] ?? "/usr/bin:/bin" },
    stdio: ["ignore", "ignore", "ignore"],
    detached: true,
  });
  child.unref();
}
