import { writeSync } from "node:fs";

import { AuroraError, systemReason } from "../errors.ts";

/**
 * Writes all of `data` to stdout (1) or stderr (2).
 *
 * Not console.log, which drops write errors; not Bun.write, which leaves NUL bytes in `>> file` (Bun 1.4.5); not
 * process.stdout, which alone costs more than the rest of start-up.
 *
 * @throws {ClosedPipe} where the reader is gone (`| head`)
 * @throws {AuroraError} `output-failed` for any other error, such as a full disk
 */
export function writeAll(descriptor: 1 | 2, data: string | Uint8Array): void {
  // The first Buffer of a process costs it a tenth of a millisecond, a TextEncoder a hundredth.
  let rest = typeof data === "string" ? new TextEncoder().encode(data) : data;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest));
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === "EAGAIN") Bun.sleepSync(1);
      else if (code === "EPIPE") throw new ClosedPipe();
      else if (code !== "EINTR")
        throw new AuroraError(
          "output-failed",
          `cannot write the output: ${systemReason(thrown) ?? String(thrown)}`,
          {
            cause: thrown,
          },
        );
    }
  }
}

/** The reader closed its end of the pipe: not an error, the program just ends. */
export class ClosedPipe extends Error {}
