import { AuroraError } from "../errors.ts";
import { SCHEMA_VERSION } from "./limits.ts";
import { type Manifest } from "./schema.ts";

/**
 * The manifest that was stored with a staged tree. It was checked when it was staged, so only whose it is and its schema version
 * are looked at here, and that no part of it is missing.
 *
 * @param json what `JSON.stringify` made of a `Manifest`
 * @param packId whose it is
 * @throws {AuroraError} `state-invalid` where it is no manifest of this schema and pack
 */
export function manifestFromStored(json: string, packId: string): Manifest {
  const stored = parsed(json);
  const pack: Partial<Manifest["pack"]> | undefined = stored?.pack;
  const isWhole =
    pack?.id === packId &&
    OBJECTS.every(
      (name) => typeof pack[name] === "object" && pack[name] !== null && !Array.isArray(pack[name]),
    ) &&
    LISTS.every((name) => Array.isArray(pack[name]));
  if (stored?.schema_version === SCHEMA_VERSION && isWhole) return stored;
  throw new AuroraError("state-invalid", `cannot read the stored manifest of "${packId}": it is damaged`, {
    hint: "aurora recover puts it back from the store",
  });
}

/** What every stored manifest has. */
const OBJECTS = ["entrypoint", "service", "health", "permissions", "limits"] as const;
const LISTS = ["dependencies", "mounts", "schedule"] as const;

function parsed(json: string): Manifest | undefined {
  try {
    return JSON.parse(json) as Manifest | undefined;
  } catch {
    return undefined;
  }
}
