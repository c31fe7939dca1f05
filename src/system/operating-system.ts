import type * as OperatingSystem from "node:os";

/** The runtime's module, loaded when it is first asked for: with an import it takes each command 0.1 ms, and few need it. */
export function operatingSystem(): typeof OperatingSystem {
  return process.getBuiltinModule("node:os");
}
