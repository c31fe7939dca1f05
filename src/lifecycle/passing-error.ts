import { type AuroraError, type ErrorCode } from "../errors.ts";

const PASSING: readonly ErrorCode[] = ["io", "no-space", "home-unusable", "locked"];

/**
 * Whether an error is the machine's and not the pack's: a full disk, a file system that became read-only. The same work may
 * succeed when it has passed, so an undo that ends with one is not given up but left to the next command.
 */
export function isPassingError({ code }: AuroraError): boolean {
  return PASSING.includes(code);
}
