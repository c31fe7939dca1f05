const REFUSAL = /permission denied|read-only file system|operation not permitted/i;
/** An absolute path, in quotes or not, at a word's begin. */
const PATH = /(?<=^|[\s'"‘(`])\/[^\s'"’`:,)]+/g;
const MAX_PATHS = 10;

/**
 * The paths that a script was denied, as far as it has said so itself: what a program prints when the system refuses it a file
 * names that file last. The kernel does not tell whom it has refused what. Pure.
 *
 * @param output what the script printed
 * @param own directories that are the pack's own, where a refusal has another reason
 */
export function deniedPaths(output: string, own: readonly string[]): string[] {
  const paths = output
    .split("\n")
    .filter((line) => REFUSAL.test(line))
    .flatMap((line) => line.match(PATH)?.at(-1) ?? [])
    .filter((path) => !own.some((directory) => path === directory || path.startsWith(`${directory}/`)));
  return [...new Set(paths)].slice(0, MAX_PATHS);
}
