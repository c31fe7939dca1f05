import { type KnownCron } from "./random-cron.ts";

/*
 * When vixie cron runs a job, by doing what its main loop does, minute after minute (cron.c and find_jobs in
 * https://github.com/vixie/cron), on local times that Intl gives. It shares nothing with src/scheduler: no parser, no
 * calendar, no time zone code.
 */

const MINUTE = 60_000;

/** Local minutes since 1970 (as if they were UTC), one for each real minute from `from` on. */
export type LocalMinutes = { from: number; minutes: Int32Array };

/** @param from @param to milliseconds since 1970, whole minutes */
export function localMinutes(zone: string, from: number, to: number): LocalMinutes {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
  });
  const minutes = new Int32Array((to - from) / MINUTE);
  for (let i = 0; i < minutes.length; i++) {
    const [month, day, year, hour, minute] = format
      .format(from + i * MINUTE)
      .split(/\D+/)
      .map(Number) as [number, number, number, number, number];
    minutes[i] = Date.UTC(year, month - 1, day, hour, minute) / MINUTE;
  }
  return { from, minutes };
}

const SMALL = 5;
const LARGE = 3 * 60;

/** The moments at which vixie cron starts a job; one moment once, though vixie starts a job for each minute left out. */
export function vixieRuns(cron: KnownCron, { from, minutes }: LocalMinutes): number[] {
  const runs: number[] = [];
  const isDue = dueTest(cron, minutes);
  let virtual = (minutes[0] as number) - 1;
  for (let i = 0; i < minutes.length; i++) {
    const running = minutes[i] as number;
    const difference = running - virtual;
    let isRun = false;
    if (difference === 1) {
      virtual = running;
      isRun = isDue(running);
    } else if (Math.abs(difference) > LARGE) {
      virtual = running;
      isRun = isDue(running);
    } else if (difference > SMALL) {
      isRun = cron.isWild && isDue(running);
      for (; virtual < running; virtual++) isRun ||= !cron.isWild && isDue(virtual + 1);
    } else if (difference > 0) for (; virtual < running; virtual++) isRun ||= isDue(virtual + 1);
    else isRun = cron.isWild && isDue(running);
    if (isRun) runs.push(from + i * MINUTE);
  }
  return runs;
}

function dueTest(cron: KnownCron, minutes: Int32Array): (minute: number) => boolean {
  const isMinute = Array.from({ length: 60 }, (_, i) => cron.minutes.has(i));
  const isHour = Array.from({ length: 24 }, (_, i) => cron.hours.has(i));
  const firstDay = Math.floor((minutes[0] as number) / 1440) - 2;
  const lastDay = Math.floor((minutes.at(-1) as number) / 1440) + 2;
  const isDay = Array.from({ length: lastDay - firstDay + 1 }, (_, i) => {
    const date = new Date((firstDay + i) * 86_400_000);
    const isDate = cron.days.has(date.getUTCDate());
    const isWeekday = cron.weekdays.has(date.getUTCDay());
    return (
      cron.months.has(date.getUTCMonth() + 1) &&
      (cron.daysAreAnded ? isDate && isWeekday : isDate || isWeekday)
    );
  });
  return (minute) =>
    isMinute[minute % 60] === true &&
    isHour[Math.floor(minute / 60) % 24] === true &&
    isDay[Math.floor(minute / 1440) - firstDay] === true;
}

/** The first moment at which two ascending lists differ, or undefined. */
export function firstDifference(a: readonly number[], b: readonly number[]): number | undefined {
  for (let i = 0; i < Math.max(a.length, b.length); i++)
    if (a[i] !== b[i]) return Math.min(a[i] ?? Infinity, b[i] ?? Infinity);
  return undefined;
}

/** Zones with every kind of change: none, one hour, half an hour, two, three, at midnight, in Ramadan, a day left out. */
export const oracleZones = [
  "UTC",
  "America/New_York",
  "America/Los_Angeles",
  "America/Santiago",
  "America/Sao_Paulo",
  "America/St_Johns",
  "America/Havana",
  "Europe/London",
  "Europe/Berlin",
  "Europe/Dublin",
  "Europe/Moscow",
  "Africa/Cairo",
  "Africa/Casablanca",
  "Asia/Kolkata",
  "Asia/Tehran",
  "Asia/Gaza",
  "Asia/Beirut",
  "Australia/Lord_Howe",
  "Australia/Sydney",
  "Antarctica/Troll",
  "Antarctica/Casey",
  "Pacific/Apia",
] as const;
