import { mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

import { aurora, type Run, scratch } from "./aurora.ts";
import { removeMemory } from "./remove-memory.ts";
import { type TestPack, writePack } from "./test-pack.ts";

type TestHome = {
  home: string;
  /** Where the test's packs are: their ids are found there. */
  packs: string;
  /** A directory outside the home, for packs that have the permission to write there. */
  shared: string;
  /** Runs aurora on this home; what changes from run to run is masked. */
  run: (argv: readonly string[], options?: { env?: Record<string, string>; stdin?: string }) => Promise<Run>;
  /** The same, unmasked, with stdout parsed. */
  json: (argv: readonly string[]) => Promise<{ value: unknown; stderr: string; exitCode: number }>;
  /** Writes a pack below `packs`, in a directory of its id, or of `name`. */
  write: (pack: TestPack & { name?: string }) => string;
  [Symbol.asyncDispose]: () => Promise<void>;
};

/** A home and a directory of packs for one test. At its end nothing of it runs or lies around any more. */
export function testHome({ parent }: { parent?: string } = {}): TestHome {
  const directory = scratch(parent);
  const home = `${directory.path}/home`;
  const packs = `${directory.path}/packs`;
  const shared = `${directory.path}/shared`;
  mkdirSync(shared);
  const options = { home, cwd: directory.path };
  return {
    home,
    packs,
    shared,
    run: async (argv, { env = {}, stdin } = {}) => {
      const result = await aurora(argv, {
        ...options,
        env: { AURORA_PACKS: packs, ...env },
        ...(stdin === undefined ? {} : { stdin }),
      });
      return {
        ...result,
        stdout: masked(result.stdout, directory.path),
        stderr: masked(result.stderr, directory.path),
      };
    },
    json: async (argv) => {
      const { stdout, stderr, exitCode } = await aurora([...argv, "--json"], {
        ...options,
        env: { AURORA_PACKS: packs },
      });
      return { value: stdout === "" ? undefined : (JSON.parse(stdout) as unknown), stderr, exitCode };
    },
    write: ({ name, ...pack }) => writePack(`${packs}/${name ?? pack.id}`, pack),
    [Symbol.asyncDispose]: async () => {
      endProcesses(home);
      removeMemory(home);
      directory[Symbol.dispose]();
    },
  };
}

/** Puts names in the place of what differs from run to run: times, digests, ids, process numbers, paths. */
function masked(text: string, directory: string): string {
  return text
    .replaceAll(directory, "DIR")
    .replaceAll(/sha256:[0-9a-f]{64}/g, "DIGEST")
    .replaceAll(/sha256:[0-9a-f]{12}/g, "DIGEST")
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "UUID")
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, "TIME")
    .replaceAll(/"pid":\d+/g, '"pid":PID')
    .replaceAll(/pid \d+/g, "pid PID")
    .replaceAll(/\b\d+(\.\d)? m?s\b/g, "N ms")
    .replaceAll(/"(duration_ms|memory_bytes|bytes|freed_bytes)":\d+/g, '"$1":N');
}

/** Whether a process has ended: gone, or a zombie that waits for a parent who is in no hurry. */
export function hasEnded(pid: number): boolean {
  try {
    // Until its last thread has ended it keeps its files, and the locks on them.
    return /\) [ZX] (-?\d+ ){16}[01] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return true;
  }
}

/** What a process has open. */
export function openFilesOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).flatMap((name) => {
    try {
      return [readlinkSync(`${directory}/${name}`)];
    } catch {
      return []; // Closed meanwhile.
    }
  });
}

/** The daemon of a home, where one runs. */
export function daemonPid(home: string): number | undefined {
  try {
    const { pid } = JSON.parse(readFileSync(`${home}/run/daemon.lock`, "utf8")) as { pid: number };
    const isIt = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").includes("daemon");
    return isIt && !hasEnded(pid) ? pid : undefined;
  } catch {
    return undefined; // There is none, or it has just ended.
  }
}

/** The living processes that packs of this home have started; also those in a pid namespace, where `$$` is another number. */
export function processesOf(home: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`AURORA_HOME=${home}`);
      } catch {
        return false; // Gone meanwhile, or not ours.
      }
    });
}

/** Ends the daemon first, which would start them again, and then every process that a pack of this home has left. */
export function endProcesses(home: string): void {
  const daemon = daemonPid(home);
  if (daemon !== undefined) process.kill(daemon, "SIGKILL");
  for (const pid of processesOf(home))
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Gone meanwhile.
    }
}
