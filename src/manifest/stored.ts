import { AuroraError } from "../errors.ts";
import { SCHEMA_VERSION } from "./limits.ts";
import { type Manifest } from "./schema.ts";

/**
 * The manifest that was stored with a staged tree. It was checked when it was staged, so only its schema version is
 * looked at here.
 *
 * @param json what `JSON.stringify` made of a `Manifest`
 * @throws {AuroraError} `state-invalid` where it is no manifest of this schema
 */
export function manifestFromStored(json: string): Manifest {
  const stored = parsed(json);
  if (stored?.schema_version === SCHEMA_VERSION) return stored;
  throw new AuroraError("state-invalid", "cannot read a stored manifest: it is damaged", {
    hint: "aurora verify finds what else is",
  });
}

function parsed(json: string): Manifest | undefined {
  try {
    return JSON.parse(json) as Manifest | undefined;
  } catch {
    return undefined;
  }
}
