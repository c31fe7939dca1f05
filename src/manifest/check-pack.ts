import { closeSync, constants, fstatSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";

import { AuroraError, type Diagnostic, systemReason } from "../errors.ts";
import { shellWord } from "../system/shell-word.ts";
import { type Finding } from "./finding.ts";
import { MANIFEST_FILES, type ReadManifest, readManifest } from "./read.ts";
import { type Manifest } from "./schema.ts";
import { type Path } from "./source-node.ts";

/** What a check of a pack's directory found. Where the manifest cannot be read there is none. */
export type PackCheck = { manifest: Manifest | undefined; findings: Finding[] };

/** Says what is wrong with a cron expression, or undefined: whether it makes sense is not the manifest's to know. */
export type CronCheck = (expression: string, timezone: string | null) => string | undefined;

/** Files with these endings run on the built-in runtime: they need no mode and no first line. */
const RUNTIME_FILE = /\.[cm]?[jt]s$/;
/** The kernel reads so much of a file to see how to run it (BINPRM_BUF_SIZE of Linux). */
const HEAD_BYTES = 256;
const HASH_CHUNK_BYTES = 1024 ** 2;

/**
 * Checks a pack's manifest, and that what it names is there and as it says. Nothing is changed, and nothing outside the
 * directory is read but what stands in for a mount.
 *
 * @param shownAs how messages call the directory
 * @param checkCron looks at the expressions of its jobs
 * @param isIgnored whether a file is kept out of the pack, by its path in it
 * @returns all findings, in the order of the manifest; faults of the manifest are among them, not thrown
 */
export function checkPack(
  directory: string,
  shownAs: string,
  checkCron: CronCheck,
  isIgnored: (path: string) => boolean = () => false,
): PackCheck {
  try {
    const read = readManifest(directory, shownAs);
    const warnings = read.warnings.map((warning): Finding => ({
      ...warning,
      severity: "warning",
      code: "manifest-preference",
    }));
    return {
      manifest: read.manifest,
      findings: [...warnings, ...checkFiles(directory, read, checkCron, isIgnored)],
    };
  } catch (thrown) {
    if (thrown instanceof AuroraError) return { manifest: undefined, findings: findingsOf(thrown) };
    throw thrown;
  }
}

/**
 * Checks that the files a manifest names exist, are regular files inside the pack that can be run, and have the checksums
 * that were recorded; and that its jobs can be scheduled.
 */
export function checkFiles(
  directory: string,
  { manifest, positionOf }: ReadManifest,
  checkCron: CronCheck,
  isIgnored: (path: string) => boolean = () => false,
): Finding[] {
  const findings: Finding[] = [];
  const { entrypoint, artifacts, schedule, mounts, health } = manifest.pack;
  const say = (
    severity: Finding["severity"],
    code: Finding["code"],
    path: Path,
    message: string,
    hint?: string,
  ): void => {
    const source = positionOf(path);
    findings.push({
      severity,
      code,
      message,
      ...(source && { source }),
      ...(hint !== undefined && { hint }),
    });
  };

  const opened = (path: Path, name: string): number | undefined => {
    const file = isIgnored(name) ? ignored : openInside(directory, name);
    if (typeof file === "number") return file;
    say("error", file.code, path, `cannot find the file "${name}": ${file.reason}`, file.hint);
    return undefined;
  };

  const checkProgram = (path: Path, name: string): void => {
    const descriptor = opened(path, name);
    if (descriptor === undefined) return;
    try {
      if (RUNTIME_FILE.test(name)) return;
      if ((fstatSync(descriptor).mode & constants.S_IXUSR) === 0)
        say(
          "error",
          "not-executable",
          path,
          `the file "${name}" is not executable`,
          `chmod +x ${join(directory, name)}`,
        );
      for (const { severity, code, message, hint } of faultsOfHead(name, readHead(descriptor)))
        say(severity, code, path, message, hint);
    } finally {
      closeSync(descriptor);
    }
  };

  for (const [name, command] of Object.entries(entrypoint))
    if (command) checkProgram(["pack", "entrypoint", name], command[0] as string);
  for (const [i, { run, cron, timezone }] of schedule.entries()) {
    const fault = cron === null ? undefined : checkCron(cron, timezone);
    if (fault !== undefined) say("error", "manifest-invalid", ["pack", "schedule", i, "cron"], fault);
    checkProgram(["pack", "schedule", i, "run"], run[0] as string);
  }

  const unsealed: number[] = [];
  for (const [i, { path: name, sha256 }] of artifacts.entries()) {
    const path: Path = ["pack", "artifacts", i];
    if (MANIFEST_FILES.some((manifestFile) => manifestFile === name)) {
      const message = `the manifest "${name}" cannot be an artifact: it would hold its own checksum`;
      say("error", "manifest-invalid", [...path, "path"], message, "remove it from the artifacts");
      continue;
    }
    const descriptor = opened([...path, "path"], name);
    if (descriptor === undefined) continue;
    try {
      if (sha256 === "") unsealed.push(i);
      else if (sha256 !== hashOf(descriptor))
        say(
          "error",
          "checksum-mismatch",
          [...path, "sha256"],
          `the file "${name}" does not have this checksum`,
          `aurora seal ${shellWord(directory)} records the files as they are now`,
        );
    } finally {
      closeSync(descriptor);
    }
  }
  if (unsealed.length > 0) {
    const first = artifacts[unsealed[0] as number]?.path;
    const subject =
      unsealed.length === 1
        ? `the artifact "${first}" is`
        : `${unsealed.length} artifacts, such as "${first}", are`;
    const hint = `aurora seal ${shellWord(directory)}`;
    say(
      "warning",
      "not-sealed",
      ["pack", "artifacts", unsealed[0] as number, "sha256"],
      `${subject} not sealed`,
      hint,
    );
  }

  for (const [i, mount] of mounts.entries())
    if (mount.type === "host" && statSync(mount.source, { throwIfNoEntry: false })?.isDirectory() !== true)
      say(
        "warning",
        "mount-source-missing",
        ["pack", "mounts", i, "source"],
        `there is no directory "${mount.source}" on this machine`,
      );
  if (entrypoint.start && !entrypoint.health && health.http === null && health.tcp === null)
    say(
      "warning",
      "no-health-check",
      ["pack", "entrypoint"],
      "the pack is started, and nothing tells whether it is healthy",
      "add entrypoint.health, or health.http or health.tcp",
    );
  return inOrder(findings);
}

function inOrder(findings: Finding[]): Finding[] {
  return findings.toSorted(
    ({ source: a }, { source: b }) => (a?.line ?? 0) - (b?.line ?? 0) || (a?.column ?? 0) - (b?.column ?? 0),
  );
}

/** An error as findings: each of its diagnostics, or itself where it has none. */
export function findingsOf(error: AuroraError): Finding[] {
  const { code, message, hint, diagnostics } = error;
  const all: Diagnostic[] =
    diagnostics.length > 0 ? diagnostics : [{ message, ...(hint !== undefined && { hint }) }];
  return all.map((diagnostic): Finding => ({ ...diagnostic, severity: "error", code }));
}

type NotOpened = {
  code: "file-missing" | "not-a-file" | "outside-pack" | "ignored" | "io";
  reason: string;
  hint?: string;
};

const ignored: NotOpened = {
  code: "ignored",
  reason: ".auroraignore keeps it out of the pack",
  hint: "take it out of .auroraignore, or out of the manifest",
};

/** Opens a regular file of the pack. Nothing is waited for, and symlinks are followed only inside the pack. */
function openInside(directory: string, name: string): number | NotOpened {
  try {
    const root = realpathSync(directory);
    const real = realpathSync(join(root, name));
    if (!real.startsWith(root === "/" ? root : `${root}/`))
      return { code: "outside-pack", reason: "it leads out of the pack" };
    const stat = statSync(real);
    if (stat.isDirectory()) return { code: "not-a-file", reason: "it is a directory" };
    if (!stat.isFile()) return { code: "not-a-file", reason: "it is no regular file" };
    return openSync(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    const isMissing = code === "ENOENT" || code === "ENOTDIR";
    return { code: isMissing ? "file-missing" : "io", reason: systemReason(thrown) ?? String(thrown) };
  }
}

function readHead(descriptor: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  return head.subarray(0, readSync(descriptor, head, 0, HEAD_BYTES, 0));
}

/** What the kernel would make of the first bytes of a program. */
function faultsOfHead(name: string, head: Buffer): Pick<Finding, "severity" | "code" | "message" | "hint">[] {
  if (head.subarray(0, 4).toString("latin1") === "\u007fELF" || MACH_O.has(head.toString("hex", 0, 4)))
    return [];
  const line = head.toString("latin1").split("\n", 1)[0] as string;
  if (!line.startsWith("#!"))
    return [
      {
        severity: "warning",
        code: "no-shebang",
        message: `the file "${name}" does not say what runs it`,
        hint: 'begin it with "#!/bin/sh"',
      },
    ];
  if (line.endsWith("\r"))
    return [
      {
        severity: "error",
        code: "no-interpreter",
        message: `the first line of "${name}" ends with CR LF, and no interpreter has CR in its name`,
        hint: `sed -i 's/\\r$//' ${name}`,
      },
    ];
  const interpreter = line.slice(2).trim().split(/[ \t]/, 1)[0] as string;
  if (statSync(interpreter, { throwIfNoEntry: false })?.isFile() === true) return [];
  const message = `the file "${name}" wants to be run by "${interpreter}", which this machine does not have`;
  return [{ severity: "warning", code: "no-interpreter", message }];
}

/** Mach-O, of either byte order and width, and its universal form. */
const MACH_O = new Set(["feedface", "feedfacf", "cefaedfe", "cffaedfe", "cafebabe"]);

function hashOf(descriptor: number): string {
  const hash = new Bun.CryptoHasher("sha256");
  const chunk = Buffer.allocUnsafeSlow(HASH_CHUNK_BYTES);
  for (;;) {
    const count = readSync(descriptor, chunk, 0, chunk.length, null);
    if (count === 0) return hash.digest("hex");
    hash.update(chunk.subarray(0, count));
  }
}
