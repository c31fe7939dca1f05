import { Database, SQLiteError, type SQLQueryBindings } from "bun:sqlite";
import { closeSync, existsSync, openSync, readdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

import { AuroraError } from "../errors.ts";
import { announceChange } from "../system/changes.ts";
import { syncDirectory } from "../system/durable.ts";
import { type HomePaths } from "../system/home.ts";
import { APPLICATION_ID, migrations } from "./migrations.ts";

/** How long a statement waits for another process's short write, in milliseconds. */
const BUSY_TIMEOUT_MS = 10_000;

/**
 * The home's `state.db`. A rollback journal with `synchronous = EXTRA` keeps every acknowledged commit over a power cut;
 * FULL with this journal does not, since it leaves the deletion of the journal unsynced (docs/decisions.md, "The database").
 */
export class Registry {
  readonly #file: Database | undefined;
  readonly #inode: number | undefined;
  readonly #dataVersion: number | undefined;

  /**
   * @param file undefined for a home that has none yet: it reads as empty, and nothing can be written to it
   * @param inode what was at its path before it was opened
   * @param dataVersion `PRAGMA data_version`, by which a connection is told of the changes of all others
   */
  constructor(file: Database | undefined, inode?: number, dataVersion?: number) {
    this.#file = file;
    this.#inode = inode;
    this.#dataVersion = dataVersion;
  }

  /** Whether another file has taken the place of the one that is open: then what is written here is seen by nobody. */
  get isReplaced(): boolean {
    return this.#file !== undefined && inodeOf(this.#file.filename) !== this.#inode;
  }

  /** Whether somebody else has written to the registry since it was opened. What is written through this one does not count. */
  get isChangedByOthers(): boolean {
    return this.get<{ data_version: number }>("PRAGMA data_version")?.data_version !== this.#dataVersion;
  }

  all<Row>(sql: string, ...values: SQLQueryBindings[]): Row[] {
    if (!this.#file) return [];
    return this.#guard(() => this.#database.query<Row, SQLQueryBindings[]>(sql).all(...values));
  }

  get<Row>(sql: string, ...values: SQLQueryBindings[]): Row | undefined {
    if (!this.#file) return undefined;
    return this.#guard(() => this.#database.query<Row, SQLQueryBindings[]>(sql).get(...values)) ?? undefined;
  }

  run(sql: string, ...values: SQLQueryBindings[]): number {
    return this.#guard(() => this.#database.query(sql).run(...values).changes);
  }

  /** Runs `work` in one database transaction that takes the write lock at once. What it returns is durable. */
  write<T>(work: () => T): T {
    return this.#guard(() => {
      if (this.#database.inTransaction) return work();
      announceChange("begin");
      const committing = () => {
        const result = work();
        announceChange("commit");
        return result;
      };
      const result = this.#database.transaction(committing).immediate();
      announceChange("committed");
      return result;
    });
  }

  /** A consistent copy of the whole database, as the bytes of a SQLite file. */
  serialize(): Uint8Array {
    return this.#guard(() => this.#database.serialize());
  }

  /** Gives back what SQLite keeps of the file: it is read again when it is needed. */
  releaseMemory(): void {
    this.#file?.run("PRAGMA shrink_memory");
  }

  /** SQLite's own findings on its structure; empty when it is sound. */
  integrityProblems(): string[] {
    return this.all<{ integrity_check: string }>("PRAGMA integrity_check(20)")
      .map((row) => row.integrity_check)
      .filter((text) => text !== "ok");
  }

  [Symbol.dispose](): void {
    this.#file?.close();
  }

  get #database(): Database {
    if (this.#file) return this.#file;
    throw new AuroraError("home-unusable", "cannot write the registry: there is no home yet");
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (thrown) {
      throw explain(thrown);
    }
  }
}

/**
 * Opens the registry for reading. A home without one reads as empty, but not one that holds trees or links: then
 * something is lost.
 *
 * @throws {AuroraError} `state-invalid`, `state-newer`, `home-unusable`
 */
export function openRegistryForReading({ database: path, ...paths }: HomePaths): Registry {
  if (!existsSync(path)) {
    refuseClosedHome(path, paths.home);
    refuseLostState({ database: path, ...paths });
    return new Registry(undefined);
  }
  refuseEmptyFile({ database: path, ...paths });
  try {
    const inode = inodeOf(path);
    // Read-write where that is allowed, so that SQLite can finish what a crash left; SQLite falls back by itself.
    const database = new Database(path, { readwrite: true, create: false });
    database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}; PRAGMA query_only = 1`);
    const { user_version: version, data_version } = checkVersion(database, path);
    if (version === migrations.length) return new Registry(database, inode, data_version);
    database.close();
    // An older program wrote it: what is read now may be in columns that it does not have yet.
    if (version > 0) return openOlderForReading({ database: path, ...paths });
    // Its creation was interrupted, or is going on right now: nothing was ever written to it.
    return new Registry(undefined);
  } catch (thrown) {
    throw explain(thrown, path);
  }
}

/** Where it cannot be brought up to date, for a disk or a user that may not be written, a copy in memory is: it is only read. */
function openOlderForReading(paths: HomePaths): Registry {
  try {
    openRegistry(paths)[Symbol.dispose]();
  } catch (thrown) {
    if (!(thrown instanceof AuroraError)) throw thrown;
    using file = new Database(paths.database, { readonly: true });
    const copy = Database.deserialize(file.serialize());
    const registry = migrated(copy, paths.database, undefined);
    copy.run("PRAGMA query_only = 1");
    return registry;
  }
  return openRegistryForReading(paths);
}

/**
 * Opens the registry for writing; creates it in a new home and brings an older schema up to date.
 *
 * @throws {AuroraError} `state-invalid`, `state-newer`
 */
export function openRegistry(paths: HomePaths): Registry {
  const isNew = !existsSync(paths.database);
  if (isNew) refuseLostState(paths);
  else refuseEmptyFile(paths);
  try {
    // SQLite would create it with 0644; its journals get the mode of the file.
    if (isNew) closeSync(openSync(paths.database, "a", 0o600));
    const inode = inodeOf(paths.database);
    const database = new Database(paths.database, { readwrite: true, create: true });
    database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    database.run("PRAGMA journal_mode = DELETE");
    database.run("PRAGMA synchronous = EXTRA");
    database.run("PRAGMA foreign_keys = ON");
    // What is deleted may be the value of a pack's variable: it is overwritten, and not left in a free page.
    database.run("PRAGMA secure_delete = ON");
    return migrated(database, paths.database, inode);
  } catch (thrown) {
    throw explain(thrown, paths.database);
  }
}

function migrated(database: Database, path: string, inode: number | undefined): Registry {
  const { user_version: version, data_version } = checkVersion(database, path);
  if (version === migrations.length) return new Registry(database, inode, data_version);
  // Before anything is in it, also where it was created by who did not come this far: its name, and that of the home.
  if (version === 0)
    for (const directory of [dirname(path), dirname(dirname(path))]) syncDirectory(directory);
  database
    .transaction(() => {
      const { user_version } = database.query("PRAGMA user_version").get() as { user_version: number };
      for (const sql of migrations.slice(user_version)) database.run(sql);
      database.run(`PRAGMA application_id = ${APPLICATION_ID}`);
      database.run(`PRAGMA user_version = ${migrations.length}`);
    })
    .immediate();
  return new Registry(database, inode, data_version);
}

function checkVersion(database: Database, path: string): { user_version: number; data_version: number } {
  const { user_version, application_id, data_version } = database
    .query(
      `SELECT user_version, application_id, data_version
       FROM pragma_user_version, pragma_application_id, pragma_data_version`,
    )
    .get() as { user_version: number; application_id: number; data_version: number };
  const isOurs = application_id === APPLICATION_ID || (application_id === 0 && user_version === 0);
  if (!isOurs)
    throw new AuroraError("state-invalid", `cannot open "${path}": it is a SQLite file, but not Aurora's`);
  if (user_version > migrations.length)
    throw new AuroraError(
      "state-newer",
      `cannot open "${path}": it has schema ${user_version}, and this program knows up to ${migrations.length}`,
      { hint: "use the newer aurora that wrote it" },
    );
  return { user_version, data_version };
}

/** A missing state.db beside trees or links is a loss, not a new home: an empty registry would hide every pack. */
function refuseLostState(paths: Pick<HomePaths, "database" | "store" | "live">): void {
  if (!hasEntries(paths.store) && !hasEntries(paths.live)) return;
  // Another command may have made the home meanwhile: the file is there before anything that it names.
  if (existsSync(paths.database)) return;
  throw new AuroraError(
    "state-invalid",
    `cannot open "${paths.database}": it is missing, but the home holds packs`,
    {
      hint: "bring it back from a backup, or remake it with aurora recover --rebuild",
    },
  );
}

/** SQLite opens a file of no bytes as a new database. */
function refuseEmptyFile(paths: Pick<HomePaths, "database" | "store" | "live">): void {
  const hasContent = () => statSync(paths.database).size > 0;
  if (hasContent() || (!hasEntries(paths.store) && !hasEntries(paths.live)) || hasContent()) return;
  throw new AuroraError(
    "state-invalid",
    `cannot open "${paths.database}": it is empty, but the home holds packs`,
    {
      hint: "bring it back from a backup, or remake it with aurora recover --rebuild",
    },
  );
}

function hasEntries(directory: string): boolean {
  try {
    return readdirSync(directory).length > 0;
  } catch {
    return false;
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

/** SQLite's result codes (https://sqlite.org/rescode.html) in our words. */
function explain(thrown: unknown, path = "state.db"): unknown {
  if (!(thrown instanceof SQLiteError)) return thrown;
  const code = thrown.code ?? "";
  const about = { cause: thrown };
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED"))
    return new AuroraError("locked", "cannot use the registry: another process kept it busy", about);
  if (code === "SQLITE_NOTADB" || code.startsWith("SQLITE_CORRUPT") || isOfSchema(thrown))
    return new AuroraError("state-invalid", `cannot read "${path}": it is damaged (${thrown.message})`, {
      ...about,
      hint: "bring it back from a backup, or remake it with aurora recover --rebuild",
    });
  if (code === "SQLITE_FULL")
    return new AuroraError("no-space", "cannot write the registry: no space left on the device", {
      ...about,
      hint: "free some space and run the command again",
    });
  if (code.startsWith("SQLITE_READONLY"))
    return new AuroraError(
      "home-unusable",
      "cannot write the registry: it is read-only for this user",
      about,
    );
  // The rollback journal is gone by then: the change is made, and only the disk has not said that it keeps it.
  if (code === "SQLITE_IOERR_DIR_FSYNC")
    return new AuroraError("io", `the change is made, but the directory of "${path}" cannot be flushed`, {
      ...about,
      hint: "a power cut may undo it: look after the disk, then see aurora list and aurora verify",
    });
  if (code.startsWith("SQLITE_IOERR") || code.startsWith("SQLITE_CANTOPEN"))
    return new AuroraError("io", `cannot use the registry "${path}": ${thrown.message}`, about);
  return thrown;
}

/** A bit of the file's header or of its schema has flipped: then SQLite knows no damage, only that our statements do not fit. */
function isOfSchema({ code, message }: SQLiteError): boolean {
  return code === "SQLITE_ERROR" && /already exists$|^no such (table|column|index)/.test(message);
}

/** A home of another user is not an empty one: what may not be looked into may hold anything. Nor is a file one. */
function refuseClosedHome(path: string, home: string): void {
  try {
    statSync(path);
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
    if (code === "ENOTDIR")
      throw new AuroraError("home-unusable", `cannot use the home "${home}": it is not a directory`, {
        hint: "give --home DIR or set AURORA_HOME to a directory that you can write",
      });
    if (code !== "EACCES") return;
    throw new AuroraError("home-unusable", `cannot use the home "${home}": permission denied`, {
      hint: "call aurora as the user who owns it, or give another --home DIR",
    });
  }
}
