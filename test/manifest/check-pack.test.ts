import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { checkPack } from "../../src/manifest/check-pack.ts";
import { scratch } from "../support/aurora.ts";

const sh = "#!/bin/sh\n";
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

type File = string | { content: string; mode: number } | { link: string };

/** The findings of a pack with these files: "severity[code] line:column message | hint". */
function findingsOf(pack: Record<string, unknown>, files: Record<string, File> = {}): string[] {
  using directory = scratch();
  for (const [name, file] of Object.entries(files)) {
    const path = join(directory.path, name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof file === "object" && "link" in file) symlinkSync(file.link, path);
    else {
      const { content, mode } = typeof file === "string" ? { content: file, mode: 0o755 } : file;
      writeFileSync(path, content);
      chmodSync(path, mode);
    }
  }
  const manifest = {
    schema_version: "aurora-manifest-v1",
    pack: { id: "a", name: "A", version: "1.0.0", ...pack },
  };
  writeFileSync(join(directory.path, "manifest.json"), JSON.stringify(manifest, undefined, 1));
  return shown(directory.path);
}

function shown(directory: string): string[] {
  return checkPack(directory, "pack", () => undefined).findings.map(
    ({ severity, code, message, source, hint }) =>
      `${severity}[${code}] ${source ? `${source.line}:${source.column} ` : ""}${message}${hint === undefined ? "" : ` | ${hint}`}`.replaceAll(
        directory,
        "DIR",
      ),
  );
}

test("a pack that is right has no findings", () => {
  const entrypoint = { start: "start.sh", health: ["bin/health.ts", "--fast"] };
  const artifacts = [{ path: "data/x", sha256: sha256("x") }];
  const schedule = [{ name: "j", every: "1m", run: "job.js" }];
  const files = {
    "start.sh": sh,
    "bin/health.ts": { content: "", mode: 0o644 },
    "job.js": { content: "", mode: 0o644 },
    "data/x": { content: "x", mode: 0o644 },
  };
  expect(findingsOf({ entrypoint, artifacts, schedule }, files)).toEqual([]);
});

describe("entrypoints", () => {
  const stop = (file?: File, name = "stop.sh") =>
    findingsOf({ entrypoint: { stop: name } }, file === undefined ? {} : { [name]: file });

  test.each<[string, File | undefined, string[]]>([
    [
      "missing",
      undefined,
      ['error[file-missing] 8:12 cannot find the file "stop.sh": no such file or directory'],
    ],
    [
      "not executable",
      { content: sh, mode: 0o644 },
      ['error[not-executable] 8:12 the file "stop.sh" is not executable | chmod +x DIR/stop.sh'],
    ],
    [
      "executable for others only",
      { content: sh, mode: 0o655 },
      ['error[not-executable] 8:12 the file "stop.sh" is not executable | chmod +x DIR/stop.sh'],
    ],
    [
      "without a first line",
      "echo\n",
      ['warning[no-shebang] 8:12 the file "stop.sh" does not say what runs it | begin it with "#!/bin/sh"'],
    ],
    [
      "empty",
      "",
      ['warning[no-shebang] 8:12 the file "stop.sh" does not say what runs it | begin it with "#!/bin/sh"'],
    ],
    [
      "with CR LF",
      "#!/bin/sh\r\necho\r\n",
      [
        "error[no-interpreter] 8:12 the first line of \"stop.sh\" ends with CR LF, and no interpreter has CR in its name | sed -i 's/\\r$//' stop.sh",
      ],
    ],
    [
      "for an interpreter that is not here",
      "#!/opt/none/python3 -u\n",
      [
        'warning[no-interpreter] 8:12 the file "stop.sh" wants to be run by "/opt/none/python3", which this machine does not have',
      ],
    ],
    ["a program", "\u007fELF\u0002\u0001", []],
    ["with a space before the interpreter", "#! /bin/sh -e\n", []],
    [
      "a link inside the pack",
      { link: "bin/stop" },
      ['error[file-missing] 8:12 cannot find the file "stop.sh": no such file or directory'],
    ],
    [
      "a link out of the pack",
      { link: "/bin/sh" },
      ['error[outside-pack] 8:12 cannot find the file "stop.sh": it leads out of the pack'],
    ],
    [
      "a link to itself",
      { link: "stop.sh" },
      ['error[io] 8:12 cannot find the file "stop.sh": too many levels of symbolic links'],
    ],
    [
      "a link to the pack",
      { link: "." },
      ['error[outside-pack] 8:12 cannot find the file "stop.sh": it leads out of the pack'],
    ],
  ])("%s", (_name, file, findings) => {
    expect(stop(file)).toEqual(findings);
  });

  test("a directory", () => {
    expect(findingsOf({ entrypoint: { stop: "bin" } }, { "bin/x": sh })).toEqual([
      'error[not-a-file] 8:12 cannot find the file "bin": it is a directory',
    ]);
  });

  test("below a file", () => {
    expect(findingsOf({ entrypoint: { stop: "x/y" } }, { x: sh })).toEqual([
      'error[file-missing] 8:12 cannot find the file "x/y": not a directory',
    ]);
  });

  test("a fifo, which nobody writes to", () => {
    using directory = scratch();
    const manifest = {
      schema_version: "aurora-manifest-v1",
      pack: { id: "a", name: "A", version: "1.0.0", entrypoint: { stop: "x" } },
    };
    writeFileSync(join(directory.path, "manifest.json"), JSON.stringify(manifest));
    execFileSync("mkfifo", [join(directory.path, "x")]);
    expect(shown(directory.path)).toEqual([
      expect.stringContaining('cannot find the file "x": it is no regular file'),
    ]);
  });

  test("through a link that stays inside", () => {
    const files: Record<string, File> = { "stop.sh": { link: "bin/stop" }, "bin/stop": sh };
    expect(findingsOf({ entrypoint: { stop: "stop.sh" } }, files)).toEqual([]);
  });

  test("through a directory that is a link out of the pack", () => {
    expect(findingsOf({ entrypoint: { stop: "bin/sh" } }, { bin: { link: "/bin" } })).toEqual([
      'error[outside-pack] 8:12 cannot find the file "bin/sh": it leads out of the pack',
    ]);
  });

  test("jobs are checked as well", () => {
    expect(findingsOf({ schedule: [{ name: "j", every: "1m", run: ["job.sh", "-x"] }] })).toEqual([
      'error[file-missing] 11:5 cannot find the file "job.sh": no such file or directory',
    ]);
  });
});

describe("artifacts", () => {
  test("not sealed is a warning, once for all", () => {
    const artifacts = [{ path: "x" }, { path: "y", sha256: "" }, { path: "z", sha256: sha256("z") }];
    const files = { x: "x", y: "y", z: "z" };
    expect(findingsOf({ artifacts }, files)).toEqual([
      'warning[not-sealed] 8:4 2 artifacts, such as "x", are not sealed | aurora seal DIR',
    ]);
    expect(findingsOf({ artifacts: artifacts.slice(1) }, files)).toEqual([
      'warning[not-sealed] 10:15 the artifact "y" is not sealed | aurora seal DIR',
    ]);
  });

  test("each wrong checksum is an error, and so is each missing file", () => {
    const artifacts = [
      { path: "x", sha256: sha256("y") },
      { path: "y", sha256: sha256("x") },
      { path: "z", sha256: sha256("z") },
    ];
    expect(findingsOf({ artifacts }, { x: "x", y: "y" })).toEqual([
      'error[checksum-mismatch] 10:15 the file "x" does not have this checksum | aurora seal DIR records the files as they are now',
      'error[checksum-mismatch] 14:15 the file "y" does not have this checksum | aurora seal DIR records the files as they are now',
      'error[file-missing] 17:13 cannot find the file "z": no such file or directory',
    ]);
  });

  test("a file of several megabytes is hashed whole", () => {
    const content = "0123456789abcdef".repeat(200_000);
    expect(findingsOf({ artifacts: [{ path: "x", sha256: sha256(content) }] }, { x: content })).toEqual([]);
    const wrong = findingsOf({ artifacts: [{ path: "x", sha256: sha256(content) }] }, { x: `${content}!` });
    expect(wrong).toHaveLength(1);
  });

  test("the manifest cannot be one of its own", () => {
    expect(findingsOf({ artifacts: [{ path: "manifest.json" }] })).toEqual([
      'error[manifest-invalid] 9:13 the manifest "manifest.json" cannot be an artifact: it would hold its own checksum | remove it from the artifacts',
    ]);
  });
});

test("a host directory that is not here is a warning", () => {
  const mounts = [
    { path: "/a", type: "host", source: "/nonexistent/a" },
    { path: "/b", type: "host", source: "/tmp" },
  ];
  expect(findingsOf({ mounts })).toEqual([
    'warning[mount-source-missing] 11:15 there is no directory "/nonexistent/a" on this machine',
  ]);
});

test("a pack that is started and has no health check is a warning, unless there is an address or a port", () => {
  const entrypoint = { start: "s" };
  const warning =
    "warning[no-health-check] 7:3 the pack is started, and nothing tells whether it is healthy | add entrypoint.health, or health.http or health.tcp";
  expect(findingsOf({ entrypoint }, { s: sh })).toEqual([warning]);
  expect(findingsOf({ entrypoint, health: { tcp: 80 } }, { s: sh })).toEqual([]);
});

test("faults of the manifest are findings, and the preference is a warning", () => {
  using directory = scratch();
  writeFileSync(join(directory.path, "manifest.yaml"), "schema_version: aurora-manifest-v1\npack: {}\n");
  expect(checkPack(directory.path, "pack", () => undefined)).toMatchObject({ manifest: undefined });
  expect(shown(directory.path)).toEqual([
    'error[manifest-invalid] 2:1 pack.id is missing | add id: "my-pack" under "pack"',
    'error[manifest-invalid] 2:1 pack.name is missing | add name: "My pack" under "pack"',
    'error[manifest-invalid] 2:1 pack.version is missing | add version: "1.0.0" under "pack"',
  ]);
  const manifest = (more: string) =>
    `{"schema_version": "aurora-manifest-v1", "pack": {"id": "a", "name": "A", "version": "1.0.0"${more}}}`;
  writeFileSync(
    join(directory.path, "manifest.yaml"),
    manifest(', "autoscan": {"manifest_preference": ["json"]}'),
  );
  writeFileSync(join(directory.path, "manifest.json"), manifest(""));
  expect(shown(directory.path)).toEqual([
    'warning[manifest-preference] 1:108 "manifest.json" is used: "manifest.yaml" prefers it | remove "manifest.yaml", or put its format first in manifest_preference',
  ]);
});

test("a directory without a manifest is a finding", () => {
  using directory = scratch();
  expect(shown(directory.path)).toEqual([
    'error[manifest-missing] cannot find a manifest in "pack" | a pack has a manifest.yaml, manifest.yml, manifest.json; aurora init writes one',
  ]);
});
