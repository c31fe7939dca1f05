import { readFileSync } from "node:fs";

import { operatingSystem } from "./operating-system.ts";

/** A point in time that no change of the wall clock moves: comparable only within one boot. */
export type BootTime = { bootId: string; uptimeMs: number };

/**
 * Which boot this is and for how long it has run, suspends included (`/proc/uptime` is CLOCK_BOOTTIME). Where there is no
 * /proc the moment of boot, to 10 s, stands for the id.
 */
export function bootTime(): BootTime {
  return { bootId: bootId(), uptimeMs: uptimeMs() };
}

/** The id alone, for what only has to know whether it is still the same boot. */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return `booted-${Math.round((Date.now() - uptimeMs()) / 10_000)}`;
  }
}

function uptimeMs(): number {
  try {
    return Math.round(Number(readFileSync("/proc/uptime", "utf8").split(" ", 1)[0]) * 1000);
  } catch {
    return Math.round(operatingSystem().uptime() * 1000);
  }
}
