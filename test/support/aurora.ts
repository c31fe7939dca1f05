import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

/** How the tests call aurora: from its sources, or the compiled program that AURORA_BINARY names. */
export const auroraCommand: readonly string[] = Bun.env["AURORA_BINARY"]
  ? [Bun.env["AURORA_BINARY"]]
  : [process.execPath, join(root, "src/main.ts")];

/** Before a command line: runs it as an ordinary user, also where the tests run as root. */
export const asOrdinaryUser: readonly string[] =
  process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];

/** For root the sources and the runtime may lie where no other user can look: then only the compiled program can be tried. */
export const canBeOrdinaryUser = process.getuid?.() !== 0 || Bun.env["AURORA_BINARY"] !== undefined;

export type Run = { stdout: string; stderr: string; exitCode: number };

type RunOptions = {
  home?: string;
  cwd?: string;
  env?: Record<string, string>;
  stdin?: string | Uint8Array;
  /** What comes before the command line, `asOrdinaryUser`. */
  prefix?: readonly string[];
};

/** Runs aurora as users do, in a process of its own, with an environment that holds nothing but what is given. */
export async function aurora(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  const child = Bun.spawn([...(options.prefix ?? []), ...auroraCommand, ...argv], {
    cwd: options.cwd ?? root,
    env: {
      PATH: Bun.env["PATH"] ?? "/usr/bin:/bin",
      HOME: "/nonexistent",
      LANG: "C.UTF-8",
      ...(options.home === undefined ? {} : { AURORA_HOME: options.home }),
      ...options.env,
    },
    stdin: options.stdin === undefined ? "ignore" : Buffer.from(options.stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  return await collect(child);
}

/** All that a child prints, and how it ends. */
export async function collect(child: Bun.Subprocess<"ignore" | Buffer, "pipe", "pipe">): Promise<Run> {
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode };
}

/** A directory of a test's own, removed when the `using` block ends. */
export function scratch(parent: string = tmpdir()): { path: string; [Symbol.dispose]: () => void } {
  const path = mkdtempSync(join(parent, "aurora-test-"));
  return {
    path,
    [Symbol.dispose]() {
      try {
        rmSync(path, { recursive: true, force: true });
      } catch {
        // Stored trees are read-only: without root they cannot be removed before they are writable.
        Bun.spawnSync(["chmod", "-R", "u+rwX", path]);
        rmSync(path, { recursive: true, force: true });
      }
    },
  };
}
