import { type Diagnostic, type SourcePosition } from "../errors.ts";
import { type Manifest } from "./schema.ts";

/** A manifest that was read from a pack's directory. */
export type ReadManifest = {
  manifest: Manifest;
  warnings: Diagnostic[];
  /** The file it was read from, as messages name it. */
  file: string;
  format: "yaml" | "json";
  /** The bytes as they are on the disk. */
  bytes: Uint8Array;
  /** Where the value at this path stands, or the nearest thing around it. */
  positionOf: (path: readonly (string | number)[]) => SourcePosition | undefined;
};
