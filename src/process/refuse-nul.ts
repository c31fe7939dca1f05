import { AuroraError } from "../errors.ts";

type Texts = {
  file: string;
  argv: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
};

/**
 * A C string ends at its first NUL byte: what follows would be lost without a word.
 *
 * @throws {AuroraError} `exec-failed`
 */
export function refuseNul({ file, argv, cwd, env }: Texts): void {
  const texts = [file, cwd, ...argv, ...Object.entries(env).flat()];
  if (texts.some((text) => text.includes("\0")))
    throw new AuroraError("exec-failed", `cannot run "${file}": an argument or a variable holds a NUL byte`);
}
