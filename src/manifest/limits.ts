/** What a manifest may be at most. docs/manifest.md lists these; each has a test. */
export const SCHEMA_VERSION = "aurora-manifest-v1";

export const MAX_MANIFEST_BYTES = 1024 ** 2;
export const MAX_DEPTH = 32;
export const MAX_ALIASED_NODES = 10_000;
/** What the YAML lexer may make of it: 10 000 artifacts are 160 000, and each costs about a microsecond and 1 KiB. */
export const MAX_TOKENS = 300_000;

export const MAX_NAME_LENGTH = 128;
export const MAX_DESCRIPTION_LENGTH = 4096;
/** PATH_MAX of Linux, with its final NUL byte. */
export const MAX_PATH_BYTES = 4095;
/** One argument of execve(2) holds at most 128 KiB on Linux; a manifest needs far less. */
export const MAX_ARGUMENT_LENGTH = 4096;
export const MAX_ARGUMENTS = 64;
export const MAX_DEPENDENCIES = 256;
export const MAX_ARTIFACTS = 10_000;
export const MAX_LIST = 256;
export const MAX_JOBS = 256;
/** A week: longer waits are a mistake in the unit. */
export const MAX_SECONDS = 604_800;
/** Ten years, so that no timer arithmetic leaves the safe integers. */
export const MAX_EVERY_MS = 10 * 366 * 86_400_000;
/** A shorter interval is a loop, not a schedule. */
export const MIN_EVERY_MS = 100;
export const MAX_RETRIES = 100;
/** One pebibyte. */
export const MAX_SIZE_BYTES = 1024 ** 5;
export const MAX_EPOCH = 1_000_000_000;
/** An error lists at most so many faults: a thousandth helps nobody. */
export const MAX_FAULTS = 100;
