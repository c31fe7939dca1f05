import { Database } from "bun:sqlite";
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

/** What a home holds, as far as a transaction promises it: read from the files themselves, not through Aurora. */
export type HomeState = {
  live: Record<string, string>;
  packs: Record<string, { generation: number; digest: string }>;
  /** Of each pack that runs: the generations of its processes. */
  running: Record<string, number[]>;
  /** What the operator wants of each service. */
  wanted: Record<string, string>;
  namespaces: Record<string, string>;
  environment: Record<string, string>;
  /** The jobs that operators have added. */
  jobs: Record<string, string>;
  /** The files in the data of each live pack, without those that hold process numbers. */
  data: Record<string, Record<string, string>>;
  trees: string[];
  /** How many transactions wait for a confirmation. */
  unconfirmed: number;
};

/** Files in which the packs of the crash test write process numbers. */
const PID_FILE = "pid";

/** What there is of a home that was never used. */
export function emptyHomeState(): HomeState {
  return {
    live: {},
    packs: {},
    running: {},
    wanted: {},
    namespaces: {},
    environment: {},
    jobs: {},
    data: {},
    trees: [],
    unconfirmed: 0,
  };
}

export function readHomeState(home: string): HomeState {
  const state = emptyHomeState();
  for (const name of namesIn(`${home}/live`)) state.live[name] = readlinkSync(`${home}/live/${name}`);
  for (const { packId, generation } of servicesOf(home)) (state.running[packId] ??= []).push(generation);
  if (!existsSync(`${home}/state.db`)) return state;
  using database = new Database(`${home}/state.db`, { readonly: true });
  if (isUnused(database)) return state;
  type Row = Record<string, string | number>;
  const rows = (sql: string) => database.query<Row, []>(sql).all();
  for (const { pack_id, generation, digest } of rows("SELECT * FROM packs"))
    state.packs[String(pack_id)] = { generation: Number(generation), digest: String(digest) };
  for (const { pack_id, wanted } of rows("SELECT * FROM services"))
    state.wanted[String(pack_id)] = String(wanted);
  for (const { pack_id, meta, revision } of rows("SELECT * FROM namespaces"))
    state.namespaces[String(pack_id)] = `${meta} ${revision}`;
  for (const { pack_id, name, value } of rows("SELECT * FROM environment"))
    state.environment[`${pack_id} ${name}`] = String(value);
  // A crash may come between two steps of the schema.
  if (rows("SELECT name FROM sqlite_master WHERE name = 'jobs'").length > 0)
    for (const { pack_id, name, spec } of rows("SELECT * FROM jobs"))
      state.jobs[`${pack_id} ${name}`] = String(spec);
  state.trees = rows("SELECT digest FROM trees ORDER BY digest").map(({ digest }) => String(digest));
  state.unconfirmed = rows("SELECT id FROM transactions WHERE state = 'unconfirmed'").length;
  for (const packId of Object.keys(state.packs)) state.data[packId] = filesIn(`${home}/data/${packId}`);
  return state;
}

/** What may never be in a home that has been recovered, whatever state it is in. */
export function leftoversIn(home: string): string[] {
  const faults = namesIn(`${home}/tmp`).map((name) => `tmp/${name} was left behind`);
  const known = /^[0-9a-f]{64}(\.json|\.entries\.json)?$/;
  for (const name of namesIn(`${home}/store`))
    if (!known.test(name)) faults.push(`store/${name} was left behind`);
  const trees = new Set(namesIn(`${home}/store`).map((name) => name.slice(0, 64)));
  for (const hex of trees)
    for (const part of ["", ".json", ".entries.json"])
      if (!existsSync(`${home}/store/${hex}${part}`)) faults.push(`store/${hex}${part} is missing`);
  if (!existsSync(`${home}/state.db`)) return faults;
  using database = new Database(`${home}/state.db`, { readonly: true });
  if (isUnused(database)) return faults;
  const open = database
    .query<{ id: string; state: string }, []>(
      "SELECT id, state FROM transactions WHERE finished_at IS NULL OR cleanup IS NOT NULL",
    )
    .all();
  // One that waits for its confirmation is no leftover, and neither is the snapshot for its way back.
  for (const { id, state } of open)
    if (state !== "unconfirmed") faults.push(`a transaction is open: ${id} ${state}`);
  // A snapshot stays for the way back of one that waits, and for a later rollback once it is committed.
  const kept = new Set([
    ...open.map(({ id }) => id),
    ...database
      .query<{ id: string }, []>("SELECT transaction_id AS id FROM generations WHERE outcome = 'committed'")
      .all()
      .map(({ id }) => id),
  ]);
  for (const packId of namesIn(`${home}/snapshots`))
    for (const name of namesIn(`${home}/snapshots/${packId}`))
      if (!kept.has(name.replace(/^\d+-/, ""))) faults.push(`snapshots/${packId}/${name} was left behind`);
  return faults;
}

/** A database in which nothing was ever written: a crash may come between its creation and its schema. */
function isUnused(database: Database): boolean {
  return (database.query("PRAGMA user_version").get() as { user_version: number }).user_version === 0;
}

/** Stored trees whose bytes are not what their name says: hashed with plain tar, as anybody can. */
export async function treeFaults(home: string): Promise<string[]> {
  const trees = namesIn(`${home}/store`).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const tar =
    'LC_ALL=C tar -C "$0" --exclude=./logs --exclude=./data --sort=name --mtime=@0 --owner=0 --group=0 ' +
    "--numeric-owner --mode=u=rwX,go=rX --hard-dereference --format=ustar -cf - . | sha256sum";
  const faults = trees.map(async (hex) => {
    const printed = await Bun.spawn(["sh", "-c", tar, `${home}/store/${hex}`]).stdout.text();
    return printed.startsWith(hex) ? [] : [`store/${hex} has other content: ${printed.slice(0, 64)}`];
  });
  return (await Promise.all(faults)).flat();
}

/** The processes that starts have left running in a home, by what is in their environment. */
function servicesOf(home: string): { pid: number; packId: string; generation: number }[] {
  return processesOf(home).flatMap(({ pid, environment }) => {
    const packId = environment.get("AURORA_PACK_ID");
    if (packId === undefined || !environment.has("AURORA_SERVICE")) return [];
    return [{ pid, packId, generation: Number(environment.get("AURORA_GENERATION")) }];
  });
}

function processesOf(home: string): { pid: number; environment: Map<string, string> }[] {
  return namesIn("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
    let text: string;
    try {
      text = readFileSync(`/proc/${name}/environ`, "latin1");
    } catch {
      return []; // Gone, or somebody else's.
    }
    if (!text.split("\0").includes(`AURORA_HOME=${home}`)) return [];
    const pairs = text.split("\0").map((pair): [string, string] => {
      const equals = pair.indexOf("=");
      return [pair.slice(0, equals), pair.slice(equals + 1)];
    });
    return [{ pid: Number(name), environment: new Map(pairs) }];
  });
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function filesIn(directory: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const name of namesIn(directory).toSorted()) {
    const path = `${directory}/${name}`;
    if (name !== PID_FILE && lstatSync(path).isFile()) files[name] = readFileSync(path, "utf8");
  }
  return files;
}
