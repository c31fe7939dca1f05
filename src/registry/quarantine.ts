import { type Registry } from "./registry.ts";

export type QuarantineRow = { digest: string; pack_id: string; at: string; reason: string };

/** Marks a digest that failed its health gate: no rollback chooses it, and it is installed again only when asked. */
export function quarantine(registry: Registry, row: QuarantineRow): void {
  registry.run(
    `INSERT INTO quarantine (digest, pack_id, at, reason) VALUES (?, ?, ?, ?)
     ON CONFLICT (digest) DO UPDATE SET at = excluded.at, reason = excluded.reason`,
    row.digest,
    row.pack_id,
    row.at,
    row.reason,
  );
}

export function quarantineOf(registry: Registry, digest: string): QuarantineRow | undefined {
  return registry.get<QuarantineRow>("SELECT * FROM quarantine WHERE digest = ?", digest);
}

export function liftQuarantine(registry: Registry, digest: string): void {
  registry.run("DELETE FROM quarantine WHERE digest = ?", digest);
}
