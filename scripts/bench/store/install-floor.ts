/**
 * The system calls of an install and nothing else: copies a pack, flushes it once, gives it its names, and commits three times
 * in between. What a compiled program cannot be faster than; scripts/bench/store.ts compiles it.
 *
 *   install-floor SOURCE HOME     HOME holds `store`, `live`, `tmp` and a database with a table `rows`
 */
import { Database } from "bun:sqlite";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  writeSync,
} from "node:fs";

import { replaceFiles, replaceLink, syncDirectory, syncFileSystem } from "../../../src/system/durable.ts";

const [source = "", home = ""] = Bun.argv.slice(2);
const CHUNK_BYTES = 128 * 1024;
const ROW = "x".repeat(500);

using database = new Database(`${home}/state.db`);
database.run("PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA");
const commit = database.transaction(() => database.run("INSERT INTO rows VALUES (?)", [ROW]));

copy(source, `${home}/tmp/tree`);
syncFileSystem(`${home}/tmp/tree`);
renameSync(`${home}/tmp/tree`, `${home}/store/tree`);
syncDirectory(`${home}/store/tree`);
syncDirectory(`${home}/store`);
commit.immediate(); // the tree, and the transaction
replaceLink(`${home}/live/pack`, "../store/tree");
commit.immediate(); // the commit
replaceFiles(
  home,
  new Map([
    ["1.json", ROW],
    ["pack.json", ROW],
  ]),
  0o600,
);
commit.immediate(); // nothing is left to clean up

function copy(from: string, to: string): void {
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  mkdirSync(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [`${from}/${entry.name}`, `${to}/${entry.name}`];
    if (entry.isDirectory()) {
      copy(source, target);
      continue;
    }
    const reading = openSync(source, "r");
    const writing = openSync(target, "wx", 0o444);
    for (;;) {
      const length = readSync(reading, chunk, 0, chunk.length, null);
      if (length === 0) break;
      writeSync(writing, chunk, 0, length);
    }
    closeSync(writing);
    closeSync(reading);
  }
  chmodSync(to, 0o755);
}
