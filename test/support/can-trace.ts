/** Whether system calls can be looked at: with strace, and with the right to trace. */
export const canTrace =
  Bun.which("strace") !== null && Bun.spawnSync(["strace", "-o", "/dev/null", "true"]).success;
