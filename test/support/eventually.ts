/** How often something is looked at again, and for how long at most, in milliseconds: nearly as long as a test may take. */
const POLL_MS = 10;
const GIVE_UP_MS = 50_000;

/**
 * Waits until `look` returns something, and returns that: for what no event tells of, such as a process of another's.
 *
 * @throws {Error} after 50 s
 */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + GIVE_UP_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() >= deadline) throw new Error(`it never came: ${what}`);
    await Bun.sleep(POLL_MS);
  }
}
