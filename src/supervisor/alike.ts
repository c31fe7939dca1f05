/** More than this are not known at once: somebody may change a pack for ever. */
const MAX_KNOWN = 1000;

const known = new Map<string, unknown>();

/**
 * Of plain data that is the same for many services there is one copy.
 *
 * @returns what is equal to `value`, maybe itself; nobody may change it
 */
export function alike<T>(value: T): T {
  const key = JSON.stringify(value);
  const found = known.get(key) as T | undefined;
  if (found !== undefined) return found;
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(key, value);
  return value;
}
