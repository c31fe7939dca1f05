const SCRIPT = /\.[cm]?[jt]s$/;

/** Whether a file runs on the built-in runtime, by its name. */
export function isScript(file: string): boolean {
  return SCRIPT.test(file);
}

/**
 * The first thing the runtime does: forget the variable that made this program be the runtime, so that a child which calls
 * `$AURORA_BIN` gets Aurora. `Bun.spawn` takes the environment of the start unless told otherwise, so it is told.
 */
const FORGET = `const { env } = process;
delete env.BUN_BE_BUN;
for (const name of ["spawn", "spawnSync"]) {
  const original = Bun[name];
  Bun[name] = (first, second) =>
    Array.isArray(first) ? original(first, { env, ...second }) : original({ env, ...first });
}`;

/**
 * How to run TypeScript or JavaScript on the built-in runtime: this program itself, as plain Bun. Nothing that lies in the
 * current directory or beside the file is obeyed: no `.env`, no bunfig.toml (`--config`), no tsconfig.json, no scripts of a
 * package.json (the file is an absolute path), and no package is fetched.
 *
 * @param file an absolute path
 * @returns the words, to which the script's arguments are appended, and variables to add to the environment
 */
export function runtimeArgv(file: string): { argv: string[]; env: Record<string, string> } {
  return {
    argv: [
      process.execPath,
      "run",
      "--no-env-file",
      "--config=/dev/null",
      "--tsconfig-override=/dev/null",
      "--no-install",
      `--preload=data:text/javascript;base64,${Buffer.from(FORGET).toString("base64")}`,
      file,
      // The runtime swallows the first "--" behind the file: this one, so that none of the script's own is lost.
      "--",
    ],
    env: { BUN_BE_BUN: "1" },
  };
}

/**
 * How to run an entrypoint of a pack, `[file, …arguments]`: an executable directly, a script in TypeScript or JavaScript on
 * the built-in runtime.
 *
 * @param directory the pack's tree, which the file is relative to; absolute
 * @returns the words, to which more arguments may be appended, and variables to add to the environment
 */
export function scriptArgv(
  entry: readonly string[],
  directory: string,
): { argv: string[]; env: Record<string, string> } {
  const [file = "", ...args] = entry;
  const path = file.startsWith("/") ? file : `${directory}/${file}`;
  if (!isScript(file)) return { argv: [path, ...args], env: {} };
  const { argv, env } = runtimeArgv(path);
  return { argv: [...argv, ...args], env };
}
