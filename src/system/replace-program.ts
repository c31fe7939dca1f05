import { ptr } from "bun:ffi";
import { readdirSync } from "node:fs";

import { errno, errnoError, openLibc } from "./libc.ts";

const F_SETFD = 2;
const FD_CLOEXEC = 1;
/** Standard input, output and error go on to the next program. */
const FIRST_OTHER = 3;

function bind() {
  return openLibc({
    fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
    execve: { args: ["cstring", "ptr", "ptr"], returns: "i32" },
  });
}

let bound: ReturnType<typeof bind> | undefined;

/**
 * Puts another program in this one's place, as the same process (execve(2)). It gets the standard descriptors, and one more where
 * that is given: the runtime's own call would close it. Returns only where that cannot be done.
 *
 * @param kept Linux only
 * @throws the error of execve(2)
 */
export function replaceProgram(
  file: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  kept?: number,
): void {
  if (kept === undefined) return void process.execve?.(file, argv, env);
  bound ??= bind();
  for (const name of readdirSync("/proc/self/fd"))
    if (Number(name) >= FIRST_OTHER)
      bound.fcntl(Number(name), F_SETFD, Number(name) === kept ? 0 : FD_CLOEXEC);
  const words = argv.map(cString);
  const variables = Object.entries(env).map(([name, value]) => cString(`${name}=${value}`));
  bound.execve(file, addresses(words), addresses(variables));
  throw errnoError(errno(), "execve", file);
}

/** From now on no program gets a descriptor that this one was given so. */
export function keepFromPrograms(descriptor: number): void {
  bound ??= bind();
  if (bound.fcntl(descriptor, F_SETFD, FD_CLOEXEC) !== 0) throw errnoError(errno(), "fcntl");
}

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

function addresses(texts: readonly Buffer[]): BigUint64Array {
  return BigUint64Array.from([...texts.map((text) => BigInt(ptr(text))), 0n]);
}
