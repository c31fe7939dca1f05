import { readFileSync } from "node:fs";

export type Mount = {
  /** Where it is mounted. */
  place: string;
  /** The kind of file system. */
  type: string;
  source: string;
  /** Of the mount and of the file system. */
  options: string[];
};

/**
 * The mount that a file or directory is on, by /proc/self/mountinfo (proc(5)).
 *
 * @param path absolute, without symbolic links
 * @returns undefined where there is no /proc
 */
export function mountOf(path: string): Mount | undefined {
  let text: string;
  try {
    text = readFileSync("/proc/self/mountinfo", "utf8");
  } catch {
    return undefined;
  }
  return (
    text
      .split("\n")
      .flatMap((line) => {
        const [head = "", tail = ""] = line.split(" - ");
        const [, , , , place = "", options = ""] = head.split(" ");
        const [type = "", source = "", superOptions = ""] = tail.split(" ");
        const at = place.replaceAll(/\\(\d{3})/g, (_, digits: string) =>
          String.fromCodePoint(Number.parseInt(digits, 8)),
        );
        const isAbove = at === "/" || path === at || path.startsWith(`${at}/`);
        return isAbove && type !== ""
          ? [{ place: at, type, source, options: [...options.split(","), ...superOptions.split(",")] }]
          : [];
      })
      // The last of those with the longest place is the one on top.
      .reduce<Mount | undefined>(
        (best, mount) => (best === undefined || mount.place.length >= best.place.length ? mount : best),
        undefined,
      )
  );
}
