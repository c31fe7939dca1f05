/**
 * A delay from 0 to `jitterMs` that is always the same for one id, on every machine and in every version: FNV-1a over the
 * UTF-16 units, and MurmurHash3's last step, since FNV-1a alone leaves the high bits of short texts alike.
 *
 * @returns whole milliseconds, from 0 to `jitterMs`, without `jitterMs`
 */
export function stableJitter(id: string, jitterMs: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return Math.floor((((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32) * jitterMs);
}
