type Entry = { due: number; sequence: number };

/** The naive timer queue: an array, sorted by deadline and then by sequence number. */
export class SortedList {
  #entries: Entry[] = [];

  get size(): number {
    return this.#entries.length;
  }

  firstDue(): number {
    return this.#entries[0]?.due ?? Infinity;
  }

  insert(due: number, sequence: number): void {
    this.#entries.splice(this.#position(due, sequence), 0, { due, sequence });
  }

  remove(due: number, sequence: number): boolean {
    const position = this.#position(due, sequence);
    if (this.#entries[position]?.sequence !== sequence) return false;
    this.#entries.splice(position, 1);
    return true;
  }

  /** The sequence number of the first entry that is due. */
  take(now: number): number | undefined {
    return this.firstDue() <= now ? this.#entries.shift()?.sequence : undefined;
  }

  #position(due: number, sequence: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const entry = this.#entries[middle] as Entry;
      if (entry.due < due || (entry.due === due && entry.sequence < sequence)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
