import { AuroraError } from "../errors.ts";

/** A name in a pack that a pack may not hold. */
export type Offender = { path: string; problem: string; hint: string };

/** A pack with a thousand faults shows so many: the rest is most likely the same fault again. */
export const MAX_SHOWN_OFFENDERS = 20;

/** Throws `pack-invalid` with one diagnostic for each offender, where there are any. */
export function refuseOffenders(directory: string, offenders: readonly Offender[]): void {
  if (offenders.length === 0) return;
  const shown = offenders.slice(0, MAX_SHOWN_OFFENDERS);
  const hidden = offenders.length - shown.length;
  throw new AuroraError(
    "pack-invalid",
    `cannot read the pack "${directory}": it holds ${
      offenders.length === 1 ? "an entry" : `${offenders.length} entries`
    } that a pack may not hold`,
    {
      diagnostics: [
        ...shown.map(({ path, problem, hint }) => ({ message: `${quote(path)} ${problem}`, hint })),
        ...(hidden === 0 ? [] : [{ message: `and ${hidden} more` }]),
      ],
    },
  );
}

/** A name for a message: control characters and quotes in it are escaped, so that it stays one line. */
export function quote(name: string): string {
  return JSON.stringify(name).replaceAll(
    /[\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The error for a pack that is being written to: neither its old nor its new digest would be true. */
export function changedWhileRead(directory: string, path: string): AuroraError {
  return new AuroraError(
    "pack-invalid",
    `cannot read the pack "${directory}": ${path === "" ? "it" : quote(path)} changed while it was read`,
    { hint: "wait until nothing writes to the pack, then run the command again" },
  );
}
