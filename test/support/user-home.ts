import { chmodSync, mkdirSync } from "node:fs";

import { asOrdinaryUser, aurora, canBeOrdinaryUser, type Run, scratch } from "./aurora.ts";
import { removeMemory } from "./remove-memory.ts";
import { endProcesses } from "./test-home.ts";
import { type TestPack, writePack } from "./test-pack.ts";

const NOBODY = 65_534;

/** Who can try something here: root where the tests run as root, and an ordinary user where one can run the program. */
export const users: readonly ("root" | "an ordinary user")[] = [
  ...(process.getuid?.() === 0 ? (["root"] as const) : []),
  ...(canBeOrdinaryUser ? (["an ordinary user"] as const) : []),
];

/** A home, packs and a directory beside them that all belong to whoever tries something. At its end nothing of it is left. */
export function userHome(user: (typeof users)[number]) {
  const directory = scratch();
  const { path } = directory;
  const [home, packs, shared] = [`${path}/home`, `${path}/packs`, `${path}/shared`];
  for (const inner of [packs, shared]) mkdirSync(inner);
  chmodSync(path, 0o755);
  // Where Aurora is root's, packs are other users.
  chmodSync(shared, 0o777);
  const give = () => {
    if (user !== "root" && process.getuid?.() === 0)
      Bun.spawnSync(["chown", "-R", `${NOBODY}:${NOBODY}`, path]);
  };
  give();
  const run = async (
    argv: readonly string[],
    env: Record<string, string> = {},
    before: readonly string[] = [],
    stdin?: string,
  ): Promise<Run> => {
    const { stdout, stderr, exitCode } = await aurora(argv, {
      home,
      cwd: path,
      env: { AURORA_PACKS: packs, ...env },
      prefix: [...(user === "root" ? [] : asOrdinaryUser), ...before],
      ...(stdin === undefined ? {} : { stdin }),
    });
    return { stdout: stdout.replaceAll(path, "DIR"), stderr: stderr.replaceAll(path, "DIR"), exitCode };
  };
  return {
    path,
    home,
    packs,
    shared,
    run,
    json: async (argv: readonly string[]): Promise<unknown> =>
      JSON.parse((await run([...argv, "--json"])).stdout),
    write: (pack: TestPack) => {
      writePack(`${packs}/${pack.id}`, pack);
      give();
    },
    [Symbol.asyncDispose]: () => {
      endProcesses(home);
      removeMemory(home);
      directory[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}
