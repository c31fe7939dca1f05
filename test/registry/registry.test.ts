import { heapStats } from "bun:jsc";
import { Database } from "bun:sqlite";
/** On a real SQLite file: what is written, what is kept, and what is refused. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, statSync, writeFileSync } from "node:fs";

import {
  environmentOf,
  restoreEnvironment,
  setEnvironment,
  unsetEnvironment,
} from "../../src/registry/environment.ts";
import { appendEvent, MAX_EVENTS, recentEvents } from "../../src/registry/events.ts";
import {
  appendGeneration,
  chainProblems,
  generationsOf,
  nextGeneration,
} from "../../src/registry/generations.ts";
import { APPLICATION_ID, migrations } from "../../src/registry/migrations.ts";
import {
  namespaceOf,
  registerNamespace,
  restoreNamespace,
  unregisterNamespace,
} from "../../src/registry/namespaces.ts";
import { usersOfPacks } from "../../src/registry/pack-users.ts";
import { openRegistry, openRegistryForReading } from "../../src/registry/registry.ts";
import { forgetService, serviceEnvironment, setServiceEnvironment } from "../../src/registry/services.ts";
import {
  appendJournal,
  insertTransaction,
  journalOf,
  lastTransaction,
  openTransactions,
} from "../../src/registry/transactions.ts";
import { homePaths } from "../../src/system/home.ts";
import { scratch } from "../support/aurora.ts";

const AT = "2026-01-02T03:04:05.000Z";

function withRegistry<T>(
  work: (registry: ReturnType<typeof openRegistry>, paths: ReturnType<typeof homePaths>) => T,
): T {
  using directory = scratch();
  const paths = homePaths(directory.path);
  using registry = openRegistry(paths);
  return work(registry, paths);
}

describe("the file", () => {
  test("keeps every acknowledged commit: rollback journal, synchronous = EXTRA", () => {
    withRegistry((registry) => {
      expect(registry.get("PRAGMA journal_mode")).toEqual({ journal_mode: "delete" });
      expect(registry.get("PRAGMA synchronous")).toEqual({ synchronous: 3 });
    });
  });

  test("what SQLite keeps of it is given back, and is read again", () => {
    // A page with what SQLite has to say of it is a little more than 4 KiB, and little else is of that size.
    const heldPages = () => {
      const { mimalloc } = heapStats() as unknown as {
        mimalloc: { malloc_bins: { block_size: number; current: number }[] };
      };
      return mimalloc.malloc_bins.find((bin) => bin.block_size === 5120)?.current ?? 0;
    };
    withRegistry((registry) => {
      registry.write(() => {
        for (let number = 0; number < 300; number++)
          appendEvent(registry, { at: AT, packId: "p", kind: "started", detail: { text: "x".repeat(2000) } });
      });
      const before = heldPages();
      registry.releaseMemory();
      expect(before - heldPages()).toBeGreaterThan(100);
      expect(registry.isChangedByOthers).toBe(false);
      expect(registry.get<{ n: number }>("SELECT count(*) AS n FROM events")).toEqual({ n: 300 });
    });
  });

  test("tells of what others have written since it was opened, and not of what it wrote itself", () => {
    withRegistry((registry, paths) => {
      registry.write(() => setEnvironment(registry, "app", [{ name: "OWN", value: "1" }]));
      expect(registry.isChangedByOthers).toBe(false);
      using other = openRegistry(paths);
      expect(registry.isChangedByOthers).toBe(false);
      setEnvironment(other, "app", [{ name: "THEIRS", value: "1" }]);
      expect(registry.isChangedByOthers).toBe(true);
      expect(other.isChangedByOthers).toBe(false);
    });
  });

  test("has mode 0600 whatever the umask", () => {
    const old = process.umask(0);
    try {
      withRegistry((_registry, paths) => expect(statSync(paths.database).mode & 0o777).toBe(0o600));
    } finally {
      process.umask(old);
    }
  });

  test("a reader may not write", () => {
    withRegistry((_registry, paths) => {
      using reader = openRegistryForReading(paths);
      expect(() => reader.run("DELETE FROM packs")).toThrow("read-only");
    });
  });

  test("a newer schema is refused and not touched", () => {
    withRegistry((registry, paths) => {
      registry.run(`PRAGMA user_version = ${migrations.length + 1}`);
      const before = statSync(paths.database).mtimeMs;
      for (const open of [openRegistry, openRegistryForReading])
        expect(() => open(paths)).toThrow(
          `it has schema ${migrations.length + 1}, and this program knows up to ${migrations.length}`,
        );
      expect(statSync(paths.database).mtimeMs).toBe(before);
    });
  });

  test.each([
    ["for writing", openRegistry],
    ["for reading", openRegistryForReading],
  ] as const)("an older schema is brought up to date, opened %s", (_name, open) => {
    using directory = scratch();
    const paths = homePaths(directory.path);
    const older = new Database(paths.database);
    older.run(migrations[0] as string);
    older.run(`PRAGMA application_id = ${APPLICATION_ID}`);
    older.run("PRAGMA user_version = 1");
    older.close();
    using registry = open(paths);
    expect(registry.get("PRAGMA user_version")).toEqual({ user_version: migrations.length });
    expect(usersOfPacks(registry)).toEqual(new Map());
  });

  test("one whose creation was interrupted reads as empty", () => {
    using directory = scratch();
    const paths = homePaths(directory.path);
    writeFileSync(paths.database, "");
    using registry = openRegistryForReading(paths);
    expect(openTransactions(registry)).toEqual([]);
  });

  test("what fails in the middle of a write changes nothing", () => {
    withRegistry((registry) => {
      expect(() =>
        registry.write(() => {
          registerNamespace(registry, "a", "{}", AT, undefined);
          throw new Error("in the middle");
        }),
      ).toThrow("in the middle");
      expect(namespaceOf(registry, "a")).toBeUndefined();
    });
  });
});

describe("namespaces", () => {
  test("each change is a new revision", () => {
    withRegistry((registry) => {
      expect(registerNamespace(registry, "a", "{}", AT, undefined).revision).toBe(1);
      expect(registerNamespace(registry, "a", '{"x":1}', AT, undefined)).toEqual({
        pack_id: "a",
        meta: '{"x":1}',
        revision: 2,
        updated: AT,
      });
    });
  });

  test("compare and set: only what was read is changed", () => {
    withRegistry((registry) => {
      expect(registerNamespace(registry, "a", "{}", AT, 0).revision).toBe(1);
      expect(registerNamespace(registry, "a", "{}", AT, 1).revision).toBe(2);
      for (const stale of [0, 1, 3])
        expect(() => registerNamespace(registry, "a", "{}", AT, stale)).toThrow(
          `its revision is 2, not ${stale}`,
        );
    });
  });

  test("an entry is put back with its revision, or removed where there was none", () => {
    withRegistry((registry) => {
      const before = registerNamespace(registry, "a", '{"old":true}', AT, undefined);
      registerNamespace(registry, "a", "{}", AT, undefined);
      restoreNamespace(registry, "a", before);
      expect(namespaceOf(registry, "a")).toEqual(before);
      restoreNamespace(registry, "a", undefined);
      expect(namespaceOf(registry, "a")).toBeUndefined();
      expect(unregisterNamespace(registry, "a")).toBe(false);
    });
  });
});

describe("the history", () => {
  const entry = (generation: number) => ({
    pack_id: "a",
    generation,
    parent: generation === 1 ? null : generation - 1,
    digest: `sha256:${generation}`,
    version: "1.0.0",
    at: AT,
    outcome: "committed" as const,
    reason: null,
    transaction_id: "t",
  });

  test("numbers only grow", () => {
    withRegistry((registry) => {
      expect(nextGeneration(registry, "a")).toBe(1);
      appendGeneration(registry, entry(1));
      appendGeneration(registry, entry(5));
      expect(nextGeneration(registry, "a")).toBe(6);
      expect(nextGeneration(registry, "b")).toBe(1);
    });
  });

  test("is chained by hash, so that a change of any entry shows", () => {
    withRegistry((registry) => {
      for (const generation of [1, 2, 3]) appendGeneration(registry, entry(generation));
      const rows = generationsOf(registry, "a");
      expect(chainProblems(rows)).toEqual([]);
      expect(rows[1]?.previous_hash).toBe(rows[0]?.hash as string);

      registry.run("UPDATE generations SET outcome = 'failed' WHERE generation = 2");
      expect(chainProblems(generationsOf(registry, "a"))).toEqual(["generation 2 was changed"]);

      registry.run("DELETE FROM generations WHERE generation = 2");
      expect(chainProblems(generationsOf(registry, "a"))).toEqual([
        "generation 3 does not follow the entry before it",
      ]);
    });
  });
});

describe("variables", () => {
  test("are set, replaced, unset and put back as a whole", () => {
    withRegistry((registry) => {
      setEnvironment(registry, "a", [
        { name: "B", value: "1" },
        { name: "A", value: "=x\n" },
      ]);
      const before = environmentOf(registry, "a");
      expect(before).toEqual([
        { name: "A", value: "=x\n" },
        { name: "B", value: "1" },
      ]);
      setEnvironment(registry, "a", [{ name: "B", value: "2" }]);
      expect(unsetEnvironment(registry, "a", "A")).toBe(true);
      expect(unsetEnvironment(registry, "a", "A")).toBe(false);
      restoreEnvironment(registry, "a", before);
      expect(environmentOf(registry, "a")).toEqual(before);
      expect(environmentOf(registry, "b")).toEqual([]);
    });
  });
});

describe("what a service is started with", () => {
  test("is kept until the service is forgotten", () => {
    withRegistry((registry) => {
      setServiceEnvironment(registry, "a", { PATH: "/bin", EMPTY: "" });
      setServiceEnvironment(registry, "a", { PATH: "/usr/bin", EMPTY: "" });
      expect(serviceEnvironment(registry, "a")).toEqual({ PATH: "/usr/bin", EMPTY: "" });
      expect(serviceEnvironment(registry, "b")).toBeUndefined();
      forgetService(registry, "a");
      expect(serviceEnvironment(registry, "a")).toBeUndefined();
    });
  });
});

describe("events", () => {
  test("the oldest are dropped beyond the limit", () => {
    withRegistry((registry) => {
      registry.write(() => {
        for (let i = 0; i < MAX_EVENTS + 5; i++)
          appendEvent(registry, { at: AT, packId: i % 2 === 0 ? "a" : "b", kind: "k" });
      });
      const all = recentEvents(registry, { limit: MAX_EVENTS * 2 });
      expect(all).toHaveLength(MAX_EVENTS);
      expect(all[0]?.id).toBe(6);
      expect(recentEvents(registry, { packId: "a", limit: 2 }).map(({ pack_id }) => pack_id)).toEqual([
        "a",
        "a",
      ]);
      expect(recentEvents(registry, { afterId: MAX_EVENTS + 4, limit: 10 })).toHaveLength(1);
    });
  });
});

describe("transactions", () => {
  const transaction = (id: string, finished: string | null, cleanup: string | null = null) => ({
    id,
    kind: "install" as const,
    state: finished === null ? ("running" as const) : ("committed" as const),
    plan: "{}",
    plan_digest: "sha256:x",
    approved_by: "me",
    approved_at: AT,
    created_at: AT,
    finished_at: finished,
    reason: null,
    cleanup,
    confirm: null,
  });

  test("open ones are those without an end, or with something left to clean up", () => {
    withRegistry((registry) => {
      insertTransaction(registry, transaction("done", AT), ["a"]);
      insertTransaction(registry, transaction("open", null), ["a", "b"]);
      insertTransaction(registry, transaction("unclean", AT, "{}"), ["b"]);
      expect(openTransactions(registry).map(({ id }) => id)).toEqual(["open", "unclean"]);
      expect(lastTransaction(registry, "a")?.id).toBe("open");
      expect(lastTransaction(registry, "b")?.id).toBe("unclean");
      expect(lastTransaction(registry, "c")).toBeUndefined();
    });
  });

  test("the journal keeps its order", () => {
    withRegistry((registry) => {
      for (const [step, status] of [
        [0, "begin"],
        [0, "done"],
        [1, "begin"],
        [1, "failed"],
      ] as const)
        appendJournal(registry, { transaction_id: "t", step, status, at: AT, detail: null });
      expect(journalOf(registry, "t").map(({ seq, step, status }) => [seq, step, status])).toEqual([
        [1, 0, "begin"],
        [2, 0, "done"],
        [3, 1, "begin"],
        [4, 1, "failed"],
      ]);
    });
  });
});

test.each([
  ["is not there yet", undefined],
  ["has no content yet", ""],
])("a state.db that %s, and is when the store is looked at, is no lost one", (_, content) => {
  using directory = scratch();
  const paths = homePaths(directory.path);
  if (content !== undefined) writeFileSync(paths.database, content);
  // What another command does between the two looks of this one.
  const racing = {
    ...paths,
    get store() {
      openRegistry(paths)[Symbol.dispose]();
      mkdirSync(`${paths.store}/tree`, { recursive: true });
      return paths.store;
    },
  };
  using registry = openRegistry(racing);
  expect(registry.integrityProblems()).toEqual([]);
});
