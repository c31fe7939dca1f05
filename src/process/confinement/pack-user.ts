import { readFileSync } from "node:fs";

/**
 * The users that packs run as where Aurora is root's, one for each. Nobody else gives these out: they lie above what systemd,
 * containers and `/etc/subuid` use, and below 2^31.
 */
export const PACK_USERS = { first: 1_900_000_000, count: 65_536 } as const;

/**
 * The user, and the group of the same number, that a pack runs as. Pure: the same pack gets the same number, unless another
 * has it already; the caller keeps what was given, and owns `data` and `logs` by it.
 *
 * @param taken the numbers that other packs have
 * @throws where all numbers are taken
 */
export function packUser(packId: string, taken: ReadonlySet<number>): number {
  const { first, count } = PACK_USERS;
  const begin = fnv1a(packId) % count;
  for (let step = 0; step < count; step++) {
    const uid = first + ((begin + step) % count);
    if (!taken.has(uid)) return uid;
  }
  throw new Error("every user for packs is taken");
}

/**
 * Why packs cannot run as users of their own; null where they can. In a container the numbers may not exist.
 *
 * @param map /proc/self/uid_map, for tests, as is `platform`
 */
export function packUserReason(
  isRoot: boolean,
  map: string = readMap(),
  platform = process.platform,
): string | null {
  if (platform !== "linux") return "it needs Linux";
  if (!isRoot) return "only root can run packs as users of their own";
  const { first, count } = PACK_USERS;
  const isMapped = map
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .some(([inside = 0, , length = 0]) => inside <= first && first + count <= inside + length);
  return isMapped ? null : "this container does not have the users that packs run as";
}

function readMap(): string {
  try {
    return readFileSync("/proc/self/uid_map", "latin1");
  } catch {
    return "";
  }
}

/** 32 bits that spread names evenly. */
function fnv1a(text: string): number {
  return Buffer.from(text).reduce((hash, byte) => Math.imul(hash ^ byte, 0x0100_0193) >>> 0, 0x811c_9dc5);
}
