/** Longer texts are neither versions nor ranges; node-semver has the same bound. */
export const MAX_VERSION_LENGTH = 256;
export const MAX_RANGE_LENGTH = 1024;

// Semantic Versioning 2.0.0, section 11 and its suggested expression. Numbers stay below 2^53: at most 15 digits.
const NUMBER = String.raw`(?:0|[1-9]\d{0,14})`;
const IDENTIFIER = String.raw`(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)`;
const PRERELEASE = String.raw`(?:-${IDENTIFIER}(?:\.${IDENTIFIER})*)`;
const BUILD = String.raw`(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)`;
const VERSION = String.raw`${NUMBER}\.${NUMBER}\.${NUMBER}${PRERELEASE}?${BUILD}?`;
const WILD = String.raw`[xX*]`;
/** "1", "1.x", "1.2", "1.2.*" or a whole version. */
const PARTIAL = String.raw`(?:${VERSION}|${NUMBER}(?:\.${NUMBER})?(?:\.${WILD}){0,2})`;
const COMPARATOR = String.raw`(?:(?:>=|<=|>|<|=|\^|~)\s*)?${PARTIAL}`;

const versionPattern = new RegExp(`^${VERSION}$`);
const partialRange = new RegExp(`^${PARTIAL}\\s+-\\s+${PARTIAL}$`);
const comparators = new RegExp(`^${COMPARATOR}(?:\\s*,\\s*${COMPARATOR}|\\s+${COMPARATOR})*$`);
const anyVersion = new RegExp(`^${WILD}$`);

/** True for a version of Semantic Versioning 2.0.0: "1.2.3", "1.0.0-rc.1+build". "1.2" and "v1.2.3" are none. */
export function isVersion(text: string): boolean {
  return text.length <= MAX_VERSION_LENGTH && versionPattern.test(text);
}

/**
 * True for a range as npm writes it: "^1.2", "~1.2.3", ">=1.0.0 <2", "1.x", "1.2 - 1.4", "*", and any of these joined by
 * "||". As in Cargo, a comma may stand between comparators. A bare "1.2.3" is exactly that version.
 */
export function isRange(text: string): boolean {
  if (text.length > MAX_RANGE_LENGTH) return false;
  return text.split("||").every((alternative) => {
    const set = alternative.trim();
    return anyVersion.test(set) || partialRange.test(set) || comparators.test(set);
  });
}

/**
 * Whether a version lies in a range. A prerelease does so only where the range names a prerelease of the same three
 * numbers, as with npm. Build metadata does not count.
 *
 * Bun.semver answers "true" for a range it cannot read, so both texts are checked first: what is no version or no range
 * satisfies nothing.
 */
export function satisfies(version: string, range: string): boolean {
  return isVersion(version) && isRange(range) && Bun.semver.satisfies(version, range.replaceAll(",", " "));
}

/** Orders two versions by precedence (Semantic Versioning 2.0.0, section 11): negative, 0 or positive. */
export function compareVersions(a: string, b: string): number {
  return Bun.semver.order(a, b);
}
