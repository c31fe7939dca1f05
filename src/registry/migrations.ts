/** "Auro": tells our database from any other SQLite file (PRAGMA application_id). */
export const APPLICATION_ID = 0x4175726f;

/**
 * One entry for each schema version, oldest first; `PRAGMA user_version` counts those that were applied. Never change an
 * entry that was released: add one.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE trees (
    digest TEXT PRIMARY KEY, pack_id TEXT NOT NULL, version TEXT NOT NULL, manifest TEXT NOT NULL,
    files INTEGER NOT NULL, bytes INTEGER NOT NULL, staged_at TEXT NOT NULL
  ) STRICT;
  CREATE INDEX trees_by_pack ON trees (pack_id, staged_at);

  CREATE TABLE packs (
    pack_id TEXT PRIMARY KEY, generation INTEGER NOT NULL, digest TEXT NOT NULL, version TEXT NOT NULL,
    manifest TEXT NOT NULL, allow_all INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE generations (
    pack_id TEXT NOT NULL, generation INTEGER NOT NULL, parent INTEGER, digest TEXT, version TEXT, at TEXT NOT NULL,
    outcome TEXT NOT NULL, reason TEXT, transaction_id TEXT NOT NULL, previous_hash TEXT NOT NULL, hash TEXT NOT NULL,
    PRIMARY KEY (pack_id, generation)
  ) STRICT;

  CREATE INDEX generations_by_digest ON generations (digest);

  CREATE TABLE quarantine (digest TEXT PRIMARY KEY, pack_id TEXT NOT NULL, at TEXT NOT NULL, reason TEXT NOT NULL) STRICT;

  CREATE TABLE transactions (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, plan TEXT NOT NULL, plan_digest TEXT NOT NULL,
    approved_by TEXT, approved_at TEXT, created_at TEXT NOT NULL, finished_at TEXT, reason TEXT, cleanup TEXT,
    confirm TEXT
  ) STRICT;
  CREATE INDEX transactions_open ON transactions (state) WHERE finished_at IS NULL OR cleanup IS NOT NULL;

  CREATE TABLE transaction_packs (
    transaction_id TEXT NOT NULL, pack_id TEXT NOT NULL, PRIMARY KEY (pack_id, transaction_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE journal (
    transaction_id TEXT NOT NULL, seq INTEGER NOT NULL, step INTEGER NOT NULL, status TEXT NOT NULL, at TEXT NOT NULL,
    detail TEXT, PRIMARY KEY (transaction_id, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE data_epochs (pack_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT;

  CREATE TABLE namespaces (
    pack_id TEXT PRIMARY KEY, meta TEXT NOT NULL, revision INTEGER NOT NULL, updated TEXT NOT NULL
  ) STRICT;

  CREATE TABLE environment (
    pack_id TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (pack_id, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE services (
    pack_id TEXT PRIMARY KEY, wanted TEXT NOT NULL, state TEXT NOT NULL, generation INTEGER NOT NULL, since TEXT NOT NULL,
    service_id TEXT NOT NULL, session INTEGER, boot_id TEXT NOT NULL, processes TEXT NOT NULL, rc INTEGER,
    restarts INTEGER NOT NULL DEFAULT 0, health TEXT NOT NULL DEFAULT 'unknown', health_at TEXT
  ) STRICT;

  CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, pack_id TEXT, kind TEXT NOT NULL, detail TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_by_pack ON events (pack_id, id);
  `,
  // What confines each service, as it was when it was started; and the user that each pack has for itself.
  `
  CREATE TABLE service_confinement (pack_id TEXT PRIMARY KEY, summary TEXT NOT NULL) STRICT;
  CREATE TABLE pack_users (pack_id TEXT PRIMARY KEY, uid INTEGER NOT NULL UNIQUE) STRICT;
  `,
  // Jobs: what operators have added, where each job stands, what is paused, and the runs.
  `
  CREATE TABLE jobs (
    pack_id TEXT NOT NULL, name TEXT NOT NULL, spec TEXT NOT NULL, added_at TEXT NOT NULL, PRIMARY KEY (pack_id, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE job_states (
    pack_id TEXT NOT NULL, name TEXT NOT NULL, spec TEXT NOT NULL, anchor_ms INTEGER NOT NULL, last_scheduled_ms INTEGER,
    PRIMARY KEY (pack_id, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE job_pauses (
    kind TEXT NOT NULL, name TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (kind, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE job_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, pack_id TEXT NOT NULL, name TEXT NOT NULL, scheduled_ms INTEGER NOT NULL,
    attempt INTEGER NOT NULL, state TEXT NOT NULL, cause TEXT NOT NULL, count INTEGER NOT NULL DEFAULT 1,
    generation INTEGER, run_id TEXT, runner TEXT, started_at TEXT, duration_ms INTEGER, rc INTEGER,
    output_tail TEXT NOT NULL DEFAULT '', reason TEXT, retry_ms INTEGER, stop_reason TEXT,
    UNIQUE (pack_id, name, scheduled_ms, attempt)
  ) STRICT;
  CREATE INDEX job_runs_open ON job_runs (pack_id, name) WHERE state IN ('waiting', 'running') OR retry_ms IS NOT NULL;
  `,
  // What a supervised service is started with, again and again, whoever starts it.
  `
  CREATE TABLE service_environments (
    pack_id TEXT PRIMARY KEY, environment TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  // Which parts of packs' data other packs' users have been let into, to be taken back when the packs do not agree any more.
  `
  CREATE TABLE shared_data (
    giver TEXT NOT NULL, taker TEXT NOT NULL, source TEXT NOT NULL, mode TEXT NOT NULL, uid INTEGER NOT NULL,
    PRIMARY KEY (giver, taker, source, uid)
  ) STRICT, WITHOUT ROWID;
  `,
  // What there is to say of a service's state, for people.
  `
  ALTER TABLE services ADD COLUMN reason TEXT;
  ALTER TABLE services ADD COLUMN last_end TEXT;
  ALTER TABLE services ADD COLUMN next_start TEXT;
  ALTER TABLE services ADD COLUMN status_text TEXT;
  `,
];
