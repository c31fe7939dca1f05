import { writeSync } from "node:fs";

import { addressOf, mapFileAt, rawSystemCall } from "../../system/raw-memory.ts";
import { DATA_ADDRESS, IMAGE_ADDRESS, SPLIT, STEP } from "./program-image.ts";
import { REPORT_DESCRIPTOR } from "./start.ts";
import { type Arch, systemCall } from "./system-calls.ts";

/** How this program is called so that it does what the launcher does: `aurora __exec IMAGE`. Not a command for people. */
export const RE_EXEC_WORD = "__exec";

const EXIT_NOT_CONFINED = 125;
const SIG_IGN = 1;
/** struct sigaction: handler, flags, restorer, mask. */
const SIGACTION_BYTES = 32;
const SIGNAL_SET_BYTES = 8;
const EINVAL = 22;
const current = new Uint8Array(SIGACTION_BYTES);

/**
 * How to start this program as a launcher: the compiled program, or its sources.
 *
 * @param image the descriptor that it has its image as
 */
export function reExecCommand(image: number): { file: string; argv: string[] } {
  const file = process.execPath;
  const words = [RE_EXEC_WORD, `/proc/self/fd/${image}`];
  const main = Bun.main.startsWith("/$bunfs/") ? [] : [`${import.meta.dir}/../../main.ts`];
  return { file, argv: [file, ...main, ...words] };
}

/**
 * Does what the launcher does, where programs cannot be started from memory: makes the system calls of an image, the last of
 * which is execve(2), from this runtime's main thread. execve ends all other threads, and what the calls have set is the
 * thread's that makes it. There are no namespaces this way: a process with threads is refused them.
 *
 * Nothing may have been started before, and the environment must be Aurora's own: the command's is in the image.
 *
 * @param path of the image
 * @returns an exit code, where it comes back at all
 */
export function reExec(path: string, arch: Arch): number {
  try {
    makeCalls(path, arch);
  } catch (thrown) {
    const { errno } = thrown as NodeJS.ErrnoException;
    report(REPORT_DESCRIPTOR, Buffer.from("read the list of system calls"), Math.abs(errno ?? EINVAL));
  }
  return EXIT_NOT_CONFINED;
}

/** Returns where a call has failed, after it has been reported. */
function makeCalls(path: string, arch: Arch): void {
  const memory = mapFileAt(path, IMAGE_ADDRESS);
  const half = (address: number) => memory.getInt32(at(address), true);
  const word = (address: number) => Number(memory.getBigInt64(at(address), true));
  const [steps, count, reportDescriptor] = [
    word(DATA_ADDRESS),
    half(DATA_ADDRESS + 8),
    half(DATA_ADDRESS + 12),
  ];
  const calls = { action: systemCall("rt_sigaction", arch) };
  const text = (address: number, length: number) =>
    new Uint8Array(memory.buffer, memory.byteOffset + at(address), length);
  for (let step = steps; step < steps + count * STEP.bytes; step += STEP.bytes) {
    const indirect = half(step + STEP.indirect);
    const args = Array.from({ length: 6 }, (_, i) => {
      const value = word(step + 8 * i);
      return (indirect >> i) & 1 ? half(value) : value;
    });
    const [number, tolerate] = [half(step + STEP.number), half(step + STEP.tolerate)];
    const [store, times, vary] = [word(step + STEP.store), half(step + STEP.times), half(step + STEP.vary)];
    for (let n = 0; n < times; n++, (args[vary] as number)++) {
      if (number === calls.action && !isIgnored(number, args[0] as number)) continue;
      const result = number === SPLIT ? -EINVAL : rawSystemCall(number, args);
      if (store !== 0) memory.setInt32(at(store), result, true);
      if (result >= 0 || tolerate === -1 || tolerate === -result) continue;
      const what = text(word(step + STEP.text), half(step + STEP.textBytes));
      return report(reportDescriptor, what, -result);
    }
  }
}

/** In the launcher's words. Without a reader the exit code has to do. */
function report(descriptor: number, what: Uint8Array, number: number): void {
  try {
    writeSync(descriptor, Buffer.concat([what, Buffer.from(`: errno ${number}\n`)]));
  } catch {
    // Closed, or full: 125 says that nothing was started.
  }
}

function at(address: number): number {
  return address - IMAGE_ADDRESS;
}

/** The runtime needs its own handlers to the last moment, and execve resets them; what is ignored would stay ignored. */
function isIgnored(action: number, signal: number): boolean {
  const result = rawSystemCall(action, [signal, 0, addressOf(current), SIGNAL_SET_BYTES]);
  return result === 0 && new DataView(current.buffer).getBigUint64(0, true) === BigInt(SIG_IGN);
}
