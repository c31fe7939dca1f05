import { readFileSync } from "node:fs";
import { uptime } from "node:os";

/** A point in time that no change of the wall clock moves: comparable only within one boot. */
export type BootTime = { bootId: string; uptimeMs: number };

/**
 * Which boot this is and for how long it has run, suspends included (`/proc/uptime` is CLOCK_BOOTTIME). Where there is no
 * /proc the moment of boot, to 10 s, stands for the id.
 */
export function bootTime(): BootTime {
  try {
    const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const seconds = Number(readFileSync("/proc/uptime", "utf8").split(" ", 1)[0]);
    return { bootId, uptimeMs: Math.round(seconds * 1000) };
  } catch {
    const uptimeMs = Math.round(uptime() * 1000);
    return { bootId: `booted-${Math.round((Date.now() - uptimeMs) / 10_000)}`, uptimeMs };
  }
}
