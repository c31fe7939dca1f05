/** What an install asks of the disk and of the kernel, counted: times differ from machine to machine, these do not. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

import { probeKernel } from "../../src/process/confinement/kernel.ts";
import { auroraCommand, collect } from "../support/aurora.ts";
import { testHome } from "../support/test-home.ts";

/** A pack that runs nothing, with as many files as are worth one flush for all of them. */
function writePlainPack(directory: string, id: string): string {
  mkdirSync(`${directory}/${id}`, { recursive: true });
  const safety = "{ dry_run_supported: false, operator_approval_required: false }";
  writeFileSync(
    `${directory}/${id}/manifest.yaml`,
    `schema_version: aurora-manifest-v1\npack: { id: ${id}, name: Plain, version: 1.0.0, safety: ${safety} }\n`,
  );
  for (let file = 0; file < 100; file++) writeFileSync(`${directory}/${id}/${file}`, id);
  return `${directory}/${id}`;
}

/** The calls of an install, or undefined where nothing can be traced. */
async function callsOfInstall(home: string, pack: string): Promise<string | undefined> {
  const trace = `${pack}.trace`;
  const traced = ["strace", "-f", "-o", trace, "-e", "trace=fsync,fdatasync,syncfs,unlink,execve"];
  if (Bun.which("strace") === null) return undefined;
  const child = Bun.spawn([...traced, ...auroraCommand, "install", pack, "--home", home], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const { stderr, exitCode } = await collect(child);
  if (/ptrace/i.test(stderr)) return undefined;
  expect(exitCode).toBe(0);
  return readFileSync(trace, "utf8");
}

const count = (calls: string, what: RegExp) => [...calls.matchAll(what)].length;

test("an install of a pack without scripts writes the database three times, and tries the kernel once in a boot", async () => {
  await using at = testHome();
  const first = await callsOfInstall(at.home, writePlainPack(at.packs, "first"));
  const second = await callsOfInstall(at.home, writePlainPack(at.packs, "second"));
  if (first === undefined || second === undefined) return;
  // The tree and the transaction with its switch, the commit, and that nothing is left to clean up; before, the schema.
  expect(count(first, /unlink\("[^"]*state\.db-journal"/g)).toBe(4);
  expect(count(second, /unlink\("[^"]*state\.db-journal"/g)).toBe(3);
  // Five for each of those; the tree's name and its record's, the link, the records of the generation and two directories.
  expect(count(second, /f(?:data)?sync\(/g)).toBeLessThanOrEqual(23);
  expect(count(second, /syncfs\(/g)).toBe(1);
  const tried = /execve\("\/proc\/\d+\/fd\/\d+"/g;
  // A kernel that lacks something is tried each time.
  const { launcher, landlock, seccomp, mountNamespace, processNamespace, networkNamespace } = probeKernel();
  const offers = [launcher, landlock, seccomp, mountNamespace, processNamespace, networkNamespace];
  const isWhole = offers.every((reason) => reason === null);
  expect(existsSync(`${at.home}/run/kernel.json`)).toBe(isWhole);
  expect(count(second, tried) === 0).toBe(isWhole);
});
