import * as v from "valibot";

import { parseDuration, parseSize } from "../system/units.ts";
import {
  MAX_ARGUMENT_LENGTH,
  MAX_ARGUMENTS,
  MAX_EVERY_MS,
  MAX_LIST,
  MAX_PATH_BYTES,
  MAX_SECONDS,
  MAX_SIZE_BYTES,
  MIN_EVERY_MS,
} from "./limits.ts";
import { isRange, isVersion } from "./version.ts";

/*
 * The kinds of values a manifest has. Messages finish a sentence that begins with the field: "pack.id must be …".
 * `v.metadata({ pattern })` is for the JSON Schema alone: it says as an expression what a check decides in code.
 */

const ID_PATTERN = "^[a-z0-9][a-z0-9_-]{0,63}$";
const ENVIRONMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
// A pack never gets these, so asking for them is a fault.
const FORBIDDEN_ENVIRONMENT = /^(BUN_|LD_)/;
const CONTROL = /[\u0000-\u001f\u007f]/;

/** A pack's id. */
export const packId = v.pipe(
  v.string(),
  v.regex(new RegExp(ID_PATTERN), "must be 1 to 64 of a-z, 0-9, _ and -, and begin with a letter or a digit"),
);

/** Text for people: not empty, no control characters but those of running text. */
export function text(maxLength: number) {
  return v.pipe(
    v.string(),
    v.maxLength(maxLength, `must not be longer than ${maxLength} characters`),
    v.check((value) => !/[\u0000-\u0008\u000b-\u001f\u007f]/.test(value), "must not hold control characters"),
  );
}

export const version = v.pipe(
  v.string(),
  v.check(isVersion, 'must be a version of Semantic Versioning, such as "1.0.0"'),
  v.metadata({ pattern: String.raw`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$` }),
);

export const versionRange = v.pipe(
  v.string(),
  v.check(isRange, 'must be a version range, such as ">=1.0.0 <2" or "^1.2"'),
  v.metadata({ pattern: "^[0-9xX*<>=^~|., +A-Za-z-]+$", examples: [">=1.0.0 <2", "^1.2"] }),
);

/** A path inside the pack: relative, "/" between names, no name "." or "..". */
export const packPath = v.pipe(
  v.string(),
  v.check(isPackPath, "must be a relative path that stays inside the pack, without . and .. in it"),
  v.metadata({ pattern: String.raw`^(?!/)(?!.*(^|/)\.{1,2}(/|$))(?!.*//)(?!.*/$).+$` }),
);

/** Whether a path is in the one form in which it may stand in a manifest. */
function isPackPath(path: string): boolean {
  return isCleanPath(path) && path.split("/").every((name) => name !== "" && name !== "." && name !== "..");
}

/** An absolute path of the machine. */
export const hostPath = v.pipe(
  v.string(),
  v.check(isHostPath, "must be an absolute path, without . and .. in it"),
  v.metadata({ pattern: "^/" }),
);

function isHostPath(path: string): boolean {
  if (path === "/") return true;
  return path.startsWith("/") && isPackPath(path.slice(1).replace(/\/$/, "")) && isCleanPath(path);
}

function isCleanPath(path: string): boolean {
  return !CONTROL.test(path) && path.isWellFormed() && Buffer.byteLength(path) <= MAX_PATH_BYTES;
}

const argument = v.pipe(
  v.string(),
  v.maxLength(MAX_ARGUMENT_LENGTH, `must not be longer than ${MAX_ARGUMENT_LENGTH} characters`),
  v.check((value) => !value.includes("\0") && value.isWellFormed(), "must not hold NUL characters"),
);

/** A file of the pack, or the file and its arguments. Becomes argv. */
export function commandLine(description: string) {
  return v.pipe(
    v.union([
      packPath,
      v.pipe(
        v.tupleWithRest([packPath], argument),
        v.maxLength(MAX_ARGUMENTS, `must not have more than ${MAX_ARGUMENTS} entries`),
      ),
    ]),
    v.description(description),
    v.transform((value): string[] => (typeof value === "string" ? [value] : [...value])),
  );
}

/** A path of a program, or a name that is looked up in PATH. */
export const program = v.pipe(
  v.string(),
  v.check(
    (value) => isHostPath(value) || (isPackPath(value) && !value.includes("/")),
    'must be an absolute path or a plain name such as "curl"',
  ),
);

/** The name of an environment variable. */
export const environmentName = v.pipe(
  v.string(),
  v.regex(ENVIRONMENT_NAME, "must be a name of letters, digits and _"),
  v.check(
    (value) => !FORBIDDEN_ENVIRONMENT.test(value),
    "must not begin with BUN_ or LD_: a pack never gets those",
  ),
);

/** A list of at most `max` values. */
export function listOf<const Schema extends v.GenericSchema<string | number, string | number>>(
  item: Schema,
  max: number = MAX_LIST,
) {
  return v.pipe(v.array(item), v.maxLength(max, `must not have more than ${max} entries`));
}

export const yesOrNo = v.boolean();

export function integer(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return v.pipe(v.number(), v.integer(message), v.minValue(min, message), v.maxValue(max, message));
}

/** A number of seconds, which may have decimals. */
export function seconds(min: number) {
  const message = `must be a number of seconds from ${min} to ${MAX_SECONDS}`;
  return v.pipe(v.number(), v.finite(message), v.minValue(min, message), v.maxValue(MAX_SECONDS, message));
}

export const port = integer(1, 65_535);

/** "30s", "5m", "1h30m", or a number of seconds. Becomes milliseconds. */
function time(description: string, minMs: number, range: string) {
  return v.pipe(
    v.union([v.string(), v.number()]),
    v.check((value) => {
      const ms = parseDuration(String(value));
      return ms !== undefined && ms >= minMs && ms <= MAX_EVERY_MS;
    }, `must be a time such as "30s", "5m" or "1h30m", ${range}`),
    v.metadata({
      description,
      pattern: String.raw`^((\d+(\.\d+)?(ms|s|m|h|d))+|\d+(\.\d+)?)$`,
      minimum: minMs / 1000,
      examples: ["30s", "5m"],
    }),
    v.transform((value) => parseDuration(String(value)) as number),
  );
}

/** How often something happens. */
export function interval(description: string) {
  return time(description, MIN_EVERY_MS, "from 100ms to 3660d");
}

/** How long something may take. */
export function duration(description: string) {
  return time(description, 0, "up to 3660d");
}

/** "64MiB", "1GB", or a number of bytes. Becomes bytes. */
export function size(description: string) {
  return v.pipe(
    v.union([v.string(), v.number()]),
    v.check((value) => {
      const bytes = parseSize(String(value));
      return bytes !== undefined && bytes > 0 && bytes <= MAX_SIZE_BYTES;
    }, 'must be a size such as "64MiB" or "1GB", from 1 byte to 1024TiB'),
    v.metadata({
      description,
      pattern: String.raw`^\d+(\.\d+)? ?([KMGT]i?B|B)?$`,
      minimum: 1,
      examples: ["64MiB", "1GB"],
    }),
    v.transform((value) => parseSize(String(value)) as number),
  );
}

/** A time zone of the IANA database that this machine knows. */
export const timeZone = v.pipe(
  v.string(),
  v.check(isTimeZone, 'must be a time zone such as "Europe/Berlin" or "UTC"'),
);

function isTimeZone(name: string): boolean {
  try {
    // Offsets such as "+02:00" are taken by Intl too, but they know no daylight saving time: they are no zones.
    Intl.DateTimeFormat("en", { timeZone: name });
    return /^[A-Za-z]/.test(name);
  } catch {
    return false;
  }
}

/** The form of a cron expression; whether its values make sense is for the scheduler to say. */
export const cronText = v.pipe(
  v.string(),
  v.regex(
    /^(@[a-z]+|[0-9A-Za-z*,/?#-]+([ \t]+[0-9A-Za-z*,/?#-]+){4,5})$/,
    'must be a cron expression such as "0 3 * * *", or "@daily"',
  ),
);

export const localUrl = v.pipe(
  v.string(),
  v.check(isHttpUrl, 'must be an address such as "http://127.0.0.1:8080/healthz"'),
  v.metadata({ pattern: "^https?://" }),
);

function isHttpUrl(value: string): boolean {
  const url = /^https?:\/\/[^\s\u0000-\u001f]+$/.test(value) ? URL.parse(value) : null;
  return url !== null && url.hostname !== "" && value.length <= MAX_ARGUMENT_LENGTH;
}

/** 64 hex digits, or "" while not sealed. */
export const sha256 = v.pipe(
  v.string(),
  v.regex(/^([0-9a-f]{64})?$/, 'must be 64 digits of 0-9 and a-f, or "" while it is not sealed'),
);
