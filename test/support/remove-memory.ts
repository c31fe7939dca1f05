import { existsSync, readdirSync } from "node:fs";

import { removeMemoryDirectories } from "../../src/vfs/tmpfs-directory.ts";

/** Removes what the packs of a test's home have mounted in memory, whoever the caller was. */
export function removeMemory(home: string): void {
  if (!existsSync(`${home}/data`)) return;
  for (const packId of readdirSync(`${home}/data`))
    for (const uid of [process.geteuid?.() ?? 0, 65_534])
      removeMemoryDirectories(`${home}/data/${packId}`, uid);
}
