import { accessSync, constants, realpathSync, statSync } from "node:fs";

import { AuroraError } from "../errors.ts";
import { mountOf } from "../system/mount.ts";

/** What execvp(3) looks in when PATH is not set. */
const DEFAULT_PATH = "/usr/bin:/bin";

/**
 * Finds what a command name means, as execvp(3) does: a name with a slash is a path, relative to `cwd`; any other is
 * looked for in PATH, where an empty entry is `cwd`.
 *
 * @returns a path with a slash in it
 * @throws {AuroraError} `command-not-found`, or `not-executable` where only files without the right to execute were found
 */
export function findExecutable(name: string, path: string | undefined, cwd: string): string {
  if (name.includes("\0")) throw notFound(name);
  if (name.includes("/")) {
    const file = name.startsWith("/") ? name : `${cwd}/${name}`;
    const kind = kindOf(file);
    if (kind === "executable") return name;
    throw kind === "absent" ? notFound(name) : notExecutable(name, kind, file);
  }
  let refused: AuroraError | undefined;
  for (const directory of name === "" ? [] : (path ?? DEFAULT_PATH).split(":")) {
    const file = `${directory === "" ? "." : directory}/${name}`;
    const place = file.startsWith("/") ? file : `${cwd}/${file}`;
    const kind = kindOf(place);
    if (kind === "executable") return file;
    if (kind === "forbidden") refused ??= notExecutable(file, kind, place);
  }
  throw refused ?? notFound(name);
}

/** "hidden": in a directory that may not be searched. In PATH that is as good as absent, as shells have it. */
type Kind = "executable" | "absent" | "hidden" | "forbidden" | "directory" | "special";

function kindOf(file: string): Kind {
  try {
    const stat = statSync(file);
    if (stat.isDirectory()) return "directory";
    if (!stat.isFile()) return "special";
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EACCES" ? "hidden" : "absent";
  }
  try {
    accessSync(file, constants.X_OK);
    return "executable";
  } catch {
    return "forbidden";
  }
}

function notFound(name: string): AuroraError {
  return new AuroraError("command-not-found", `cannot run "${name}": it was not found`, {
    hint: name.includes("/") ? "check the path" : "check the name and PATH",
  });
}

function notExecutable(name: string, kind: Kind, file: string): AuroraError {
  const reasons: Partial<Record<Kind, string>> = {
    forbidden: "permission denied",
    hidden: "permission denied",
    directory: "it is a directory",
    special: "it is no regular file",
  };
  const mount = kind === "forbidden" ? mountOf(realpathSync(file)) : undefined;
  if (mount?.options.includes("noexec"))
    return new AuroraError("not-executable", `cannot run "${name}": "${mount.place}" is mounted noexec`, {
      hint: `mount -o remount,exec ${mount.place}`,
    });
  return new AuroraError("not-executable", `cannot run "${name}": ${reasons[kind]}`, {
    hint: kind === "forbidden" ? `chmod +x ${name}` : undefined,
  });
}
