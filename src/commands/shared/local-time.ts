import { AuroraError } from "../../errors.ts";
import { formatDuration } from "../../system/units.ts";

const weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** The time zone of this machine. */
export function machineTimezone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** "Mon 2026-03-30 03:00 +02:00", with seconds where there are any. */
export function localText(moment: Temporal.ZonedDateTime): string {
  const time = moment.toPlainTime().toString({ smallestUnit: moment.second === 0 ? "minute" : "second" });
  return `${weekdays[moment.dayOfWeek - 1]} ${moment.toPlainDate().toString()} ${time} ${moment.offset}`;
}

/** A moment in local time and in words: "Mon 2026-03-30 03:00 +02:00, in 5 m 3 s". */
export function momentText(iso: string, inMs: number): string {
  const local = localText(Temporal.Instant.from(iso).round("second").toZonedDateTimeISO(machineTimezone()));
  return `${local}, ${distanceText(inMs)}`;
}

function distanceText(ms: number): string {
  if (ms < 0) return `overdue for ${formatDuration(-ms)}`;
  return ms < 1000 ? "now" : `in ${formatDuration(ms)}`;
}

/**
 * Reads a time with its distance from UTC, or a date or local time of the zone.
 *
 * @param option how it was given, for the message: "--from"
 * @returns milliseconds since 1970-01-01T00:00Z
 * @throws {AuroraError} `usage`
 */
export function parseMoment(option: string, text: string, timezone: string): number {
  if (/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?$/.test(text)) {
    try {
      return Temporal.PlainDateTime.from(text).toZonedDateTime(timezone).epochMilliseconds;
    } catch {
      throw badTime(option, text);
    }
  }
  const ms = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(ms)) throw badTime(option, text);
  return ms;
}

function badTime(option: string, text: string): AuroraError {
  return new AuroraError("usage", `cannot read ${option} "${text}": it is not a time`, {
    hint: "write 2026-03-28, 2026-03-28T12:00 or 2026-03-28T12:00:00Z",
  });
}

/** Reads a number of things, from 1 to `max`. @throws {AuroraError} `usage` */
export function parseCount(text: string | undefined, usual: number, max: number): number {
  if (text === undefined) return usual;
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= max) return count;
  throw new AuroraError("usage", `cannot read --number "${text}": it is not a number from 1 to ${max}`);
}
