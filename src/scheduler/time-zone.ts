import { AuroraError } from "../errors.ts";

/** A stretch of time in which a zone's distance from UTC does not change. All in seconds; `local = utc + offset`. */
export type ZoneSegment = {
  /** The first second of it, since 1970-01-01T00:00Z; -Infinity where nothing came before. */
  start: number;
  /** The first second behind it; Infinity where nothing follows. */
  end: number;
  offset: number;
  /** The offset before `start`; the same as `offset` where nothing came before. */
  offsetBefore: number;
};

/** The last second that Temporal knows (ECMA-262: time values end at 8.64e15 ms). */
const MAX_SECOND = 8.64e12;

const zones = new Map<string, TimeZone>();

/** A zone of the IANA time zone database, with the segments that were asked for. */
export class TimeZone {
  readonly name: string;
  /** In ascending order, without a hole between them. */
  #segments: ZoneSegment[] = [];
  #last: ZoneSegment | undefined;

  private constructor(name: string) {
    this.name = name;
  }

  /**
   * The zone of a name such as `Europe/Berlin`, `UTC` or `+05:30`.
   *
   * @throws {AuroraError} `usage` where there is none of that name
   */
  static named(name: string): TimeZone {
    const known = zones.get(name);
    if (known) return known;
    const zone = new TimeZone(name);
    try {
      zone.#at(0);
    } catch (thrown) {
      throw new AuroraError("usage", `cannot use the time zone "${name}": there is none of that name`, {
        hint: "names are like Europe/Berlin or UTC",
        cause: thrown,
      });
    }
    zones.set(name, zone);
    return zone;
  }

  /** The segment that a second lies in. @param second seconds since 1970-01-01T00:00Z */
  segmentAt(second: number): ZoneSegment {
    const last = this.#last;
    if (last && second >= last.start && second < last.end) return last;
    return (this.#last = this.#find(second) ?? this.#extendTo(second));
  }

  #find(second: number): ZoneSegment | undefined {
    const segments = this.#segments;
    let low = 0;
    let high = segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((segments[middle] as ZoneSegment).end <= second) low = middle + 1;
      else high = middle;
    }
    const found = segments[low];
    return found && second >= found.start ? found : undefined;
  }

  /** Segments are looked up one after the other, so that the list stays without holes; a far jump starts it anew. */
  #extendTo(second: number): ZoneSegment {
    const segments = this.#segments;
    const last = segments.at(-1);
    if (!last || second < last.end || second - last.end > 50 * 366 * 86_400) {
      const segment = this.#read(second);
      this.#segments = [segment];
      return segment;
    }
    for (let segment = last; ;) {
      if (second < segment.end) return segment;
      segment = this.#read(segment.end);
      segments.push(segment);
    }
  }

  #read(second: number): ZoneSegment {
    const moment = this.#at(second);
    // A transition can change a name and leave the offset as it was: such ones are stepped over.
    let before = this.#at(second + 1).getTimeZoneTransition("previous");
    while (before && offsetBefore(before) === offsetOf(before))
      before = before.getTimeZoneTransition("previous");
    let after = moment.getTimeZoneTransition("next");
    while (after && offsetBefore(after) === offsetOf(after)) after = after.getTimeZoneTransition("next");
    return {
      start: before ? before.epochMilliseconds / 1000 : -Infinity,
      end: after ? after.epochMilliseconds / 1000 : Infinity,
      offset: offsetOf(moment),
      offsetBefore: before ? offsetBefore(before) : offsetOf(moment),
    };
  }

  #at(second: number): Temporal.ZonedDateTime {
    const bounded = Math.max(-MAX_SECOND, Math.min(MAX_SECOND, second));
    return Temporal.Instant.fromEpochMilliseconds(bounded * 1000).toZonedDateTimeISO(this.name);
  }
}

function offsetOf(moment: Temporal.ZonedDateTime): number {
  return moment.offsetNanoseconds / 1e9;
}

function offsetBefore(transition: Temporal.ZonedDateTime): number {
  return offsetOf(transition.subtract({ nanoseconds: 1 }));
}
