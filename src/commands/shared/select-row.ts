/**
 * Which row is selected after a key: pure.
 *
 * @param page so many rows a page key goes
 */
export function selectedAfter(
  ids: readonly string[],
  selected: string | undefined,
  key: string,
  page: number,
): string | undefined {
  const place = Math.max(0, selected === undefined ? 0 : ids.indexOf(selected));
  const places: Record<string, number> = {
    up: place - 1,
    k: place - 1,
    down: place + 1,
    j: place + 1,
    "page-up": place - page,
    "page-down": place + page,
    home: 0,
    end: ids.length - 1,
  };
  const wanted = Object.hasOwn(places, key) ? (places[key] as number) : place;
  return ids[Math.max(0, Math.min(wanted, ids.length - 1))];
}
