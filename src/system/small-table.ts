/**
 * What a Map is, for some hundred entries that are seldom looked for: 16 bytes for each, where a Map of 300 takes 160. Whoever is
 * looked for is compared with one after the other.
 */
export class SmallTable<Key, Value> {
  readonly #keys: Key[] = [];
  readonly #values: Value[] = [];

  has(key: Key): boolean {
    return this.#keys.includes(key);
  }

  get(key: Key): Value | undefined {
    const at = this.#keys.indexOf(key);
    return at === -1 ? undefined : this.#values[at];
  }

  keyOf(value: Value): Key | undefined {
    const at = this.#values.indexOf(value);
    return at === -1 ? undefined : this.#keys[at];
  }

  set(key: Key, value: Value): void {
    const at = this.#keys.indexOf(key);
    if (at !== -1) this.#values[at] = value;
    else {
      this.#keys.push(key);
      this.#values.push(value);
    }
  }

  delete(key: Key): void {
    const at = this.#keys.indexOf(key);
    if (at === -1) return;
    this.#keys.splice(at, 1);
    this.#values.splice(at, 1);
  }

  clear(): void {
    this.#keys.length = 0;
    this.#values.length = 0;
  }

  /** As they are now, in the order in which they were added: changes meanwhile do no harm. */
  keys(): Key[] {
    return [...this.#keys];
  }

  /** As `keys`. */
  values(): Value[] {
    return [...this.#values];
  }
}
