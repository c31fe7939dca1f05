import { AuroraError } from "../errors.ts";

/** How long synchronous work may keep the program from noticing a signal. */
const SLICE_MS = 40;

/**
 * Synchronous work in slices: a signal handler runs only when the event loop does. `isDue` is cheap; where it says yes,
 * await `take`, which throws `interrupted` once the signal has aborted.
 */
export type Pause = { isDue: () => boolean; take: () => Promise<void> };

/** @param onPause called at each pause, for progress */
export function createPause(signal: AbortSignal | undefined, onPause?: () => void): Pause {
  let last = performance.now();
  throwIfInterrupted(signal);
  return {
    isDue: () => performance.now() - last >= SLICE_MS,
    async take() {
      onPause?.();
      await new Promise((resolve) => setImmediate(resolve));
      throwIfInterrupted(signal);
      last = performance.now();
    },
  };
}

/** @throws {AuroraError} `interrupted` where the signal has aborted */
function throwIfInterrupted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new AuroraError("interrupted", "the command was interrupted: nothing was changed");
}
