import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { AuroraError } from "../../src/errors.ts";
import { MAX_FAULTS, MAX_MANIFEST_BYTES } from "../../src/manifest/limits.ts";
import { parseManifest } from "../../src/manifest/parse.ts";
import { manifestFromStored } from "../../src/manifest/stored.ts";

const good = join(import.meta.dir, "../fixtures/manifests/good");
const formatOf = (file: string) => (file.endsWith(".json") ? "json" : "yaml");
const readGood = (name: string) =>
  parseManifest(readFileSync(join(good, name)), name, formatOf(name)).manifest;

/** A manifest that is right but for what the test adds to it. */
const withPack = (lines: string) =>
  `schema_version: aurora-manifest-v1\npack:\n  id: a\n  name: A\n  version: "1.0.0"\n${lines}`;

/** The places, messages and hints of a refused manifest: "line:column message | hint". */
function faultsOf(text: string | Uint8Array, format: "yaml" | "json" = "yaml"): string[] {
  return refusal(text, format).diagnostics.map(({ message, source, hint }) => {
    const place = source ? `${source.line}:${source.column} ` : "";
    return `${place}${message}${hint === undefined ? "" : ` | ${hint}`}`;
  });
}

function refusal(text: string | Uint8Array, format: "yaml" | "json" = "yaml"): AuroraError {
  try {
    parseManifest(typeof text === "string" ? Buffer.from(text) : text, "m", format);
  } catch (thrown) {
    if (thrown instanceof AuroraError) return thrown;
    throw thrown;
  }
  throw new Error("the manifest was taken");
}

describe("what is right", () => {
  test("a minimal manifest gets every default", () => {
    expect(readGood("minimal.yaml")).toEqual({
      schema_version: "aurora-manifest-v1",
      pack: {
        id: "minimal",
        name: "Minimal",
        version: "1.0.0",
        description: "",
        entrypoint: { install: null, start: null, stop: null, health: null, test: null },
        dependencies: [],
        artifacts: [],
        env: { required: [] },
        autoscan: { manifest_preference: ["yaml", "yml", "json"], auto_detect_device: true },
        safety: {
          dry_run_supported: true,
          operator_approval_required: true,
          health_check_timeout_seconds: 30,
        },
        service: {
          type: "oneshot",
          restart: "on-failure",
          backoff_seconds: [1, 60],
          start_limit: { burst: 5, interval_seconds: 60 },
          stop_signal: "SIGTERM",
          stop_timeout_seconds: 10,
        },
        health: {
          grace_seconds: 0,
          interval_seconds: 1,
          passes: 1,
          deadline_seconds: 30,
          soak_seconds: 0,
          watch_seconds: 30,
          http: null,
          tcp: null,
        },
        data: {
          epoch: 1,
          reads_epochs: [1],
          snapshot: false,
          quota: { size_bytes: null, files: null },
          share: [],
        },
        permissions: {
          read: [],
          write: [],
          run: [],
          net: { connect: [], listen: [], udp: false },
          unix: false,
          env: [],
          user: "own",
          confinement: "best_effort",
        },
        limits: {
          memory_bytes: null,
          processes: null,
          open_files: null,
          file_size_bytes: null,
          cpu_seconds: null,
        },
        mounts: [],
        schedule: [],
        device: { os: [], arch: [], min_memory_bytes: null },
      },
    });
  });

  test("YAML and JSON give the same manifest", () => {
    expect(readGood("minimal.json")).toEqual(readGood("minimal.yaml"));
  });

  test("everything that may be written arrives, in bytes, milliseconds and argv", () => {
    const { pack } = readGood("everything.yaml");
    expect(pack.description).toBe("Two lines that become one.");
    expect(pack.entrypoint).toEqual({
      install: ["install.sh"],
      start: ["bin/serve.ts", "--port", "8080"],
      stop: ["stop.sh"],
      health: ["health_check.sh"],
      test: null,
    });
    expect(pack.dependencies).toEqual([
      { pack_id: "base", version_constraint: ">=1.0.0 <2 || ^3.1" },
      { pack_id: "tools", version_constraint: "*" },
    ]);
    expect(pack.limits).toEqual({
      memory_bytes: 256 * 1024 ** 2,
      processes: 64,
      open_files: 1024,
      file_size_bytes: 1024 ** 3,
      cpu_seconds: 600,
    });
    expect(pack.mounts).toEqual([
      { path: "/cache", type: "memory", size_bytes: 64 * 1024 ** 2, files: 65_536 },
      { path: "/pack", type: "pack" },
      { path: "/shared", type: "host", source: "/srv/shared", mode: "rw" },
      { path: "/models", type: "data", pack: "base", source: "/public/models", mode: "ro" },
    ]);
    const job = {
      cron: null,
      timezone: null,
      tags: {},
      timeout_seconds: null,
      overlap: "skip",
      misfire: "run-once",
      retries: null,
      jitter_ms: 0,
    };
    expect(pack.schedule).toEqual([
      {
        ...job,
        name: "heartbeat",
        every_ms: 30_000,
        run: ["beat.sh"],
        tags: { cpu: 1 },
        timeout_seconds: 10,
      },
      {
        ...job,
        name: "nightly",
        every_ms: null,
        cron: "0 3 * * *",
        timezone: "Europe/Berlin",
        run: ["clean.ts", "--deep"],
        misfire: "run-all",
        retries: 3,
        jitter_ms: 60_000,
      },
      { ...job, name: "seconds", every_ms: 90_000, run: ["beat.sh"], overlap: "allow" },
    ] as unknown as typeof pack.schedule);
    expect(pack.data).toEqual({
      epoch: 3,
      reads_epochs: [2, 3],
      snapshot: true,
      quota: { size_bytes: 1024 ** 3, files: 100_000 },
      share: [{ path: "/public", with: ["web", "backup"], mode: "rw" }],
    });
    expect(pack.device).toEqual({ os: ["linux"], arch: ["x64", "arm64"], min_memory_bytes: 512 * 1024 ** 2 });
    expect(JSON.stringify(pack)).not.toContain("x-note");
  });

  test.each(readdirSync(good))("%s survives being stored", (name) => {
    const manifest = readGood(name);
    expect(manifestFromStored(JSON.stringify(manifest), manifest.pack.id)).toEqual(manifest);
  });

  test("a byte order mark and CRLF change nothing, in both formats", () => {
    for (const name of ["minimal.yaml", "minimal.json"]) {
      const text = readFileSync(join(good, name), "utf8").replaceAll("\n", "\r\n");
      const read = parseManifest(Buffer.from(`\ufeff${text}`), name, formatOf(name));
      expect(read.manifest).toEqual(readGood(name));
      expect(read.positionOf(["pack", "version"])).toMatchObject({ text: expect.not.stringContaining("\r") });
    }
  });

  test("reads_epochs defaults to the pack's own epoch", () => {
    const { manifest } = parseManifest(Buffer.from(withPack("  data: { epoch: 7 }\n")), "m", "yaml");
    expect(manifest.pack.data).toMatchObject({ epoch: 7, reads_epochs: [7], snapshot: false });
  });

  test("positions name the value, the key of a mapping, and for what is missing the nearest thing around it", () => {
    const { positionOf } = parseManifest(readFileSync(join(good, "minimal.yaml")), "m.yaml", "yaml");
    const version = { file: "m.yaml", line: 5, column: 12, length: 7, text: '  version: "1.0.0"' };
    expect(positionOf(["pack", "version"])).toEqual(version);
    expect(positionOf(["pack"])).toMatchObject({ line: 2, column: 1, length: 4 });
    expect(positionOf(["pack", "health", "tcp"])).toMatchObject({ line: 2, column: 1 });
    expect(positionOf(["nothing"])).toMatchObject({ line: 1, column: 1 });
  });

  test("a value of several lines is marked to the end of its first one", () => {
    const text = withPack('  description: "one\n    two"\n');
    const { positionOf } = parseManifest(Buffer.from(text), "m.yaml", "yaml");
    expect(positionOf(["pack", "description"])).toMatchObject({ line: 6, column: 16, length: 4 });
  });

  test("what cannot be read at all is named by its format", () => {
    expect(refusal("a: [", "yaml").message).toBe('cannot read the manifest "m": it is not proper YAML');
    expect(refusal("{", "json").message).toBe('cannot read the manifest "m": it is not proper JSON');
  });
});

test("a stored manifest that is damaged or of another schema is refused", () => {
  const whole = parseManifest(readFileSync(join(good, "minimal.yaml")), "m.yaml", "yaml").manifest;
  const { id, service: _service, ...rest } = whole.pack;
  for (const damaged of [
    "",
    "{",
    "null",
    "[]",
    '{"schema_version":"aurora-manifest-v1"}',
    JSON.stringify({ ...whole, schema_version: "aurora-manifest-v2" }),
    JSON.stringify({ ...whole, pack: { id, ...rest } }),
    JSON.stringify({ ...whole, pack: { ...whole.pack, id: "another" } }),
  ])
    expect(() => manifestFromStored(damaged, id)).toThrow(
      new AuroraError("state-invalid", `cannot read the stored manifest of "${id}": it is damaged`),
    );
});

test("all faults are told at once, in the order of the text", () => {
  const text = `schema_version: "aurora-manifest-v2"
pack:
  id: "Pack"
  version: 1.0
  descripton: x
  entrypoint: { start: [], helth: a.sh, stop: ../stop.sh }
  safety: { dry_run_supported: yes }
  service: { type: simpel }
`;
  expect(faultsOf(text)).toEqual([
    '1:17 schema_version must be "aurora-manifest-v1", found "aurora-manifest-v2"',
    '2:1 pack.name is missing | add name: "My pack" under "pack"',
    '3:7 pack.id must be 1 to 64 of a-z, 0-9, _ and -, and begin with a letter or a digit, found "Pack"',
    '4:12 pack.version must be text, found the number 1.0 | write "1.0.0", in quotes',
    '5:3 unknown key "descripton" in pack | did you mean "description"?',
    "6:17 pack.entrypoint.start must hold at least the file to run",
    '6:28 unknown key "helth" in pack.entrypoint | did you mean "health"?',
    '6:47 pack.entrypoint.stop must be a relative path that stays inside the pack, without . and .. in it, found "../stop.sh"',
    '7:32 pack.safety.dry_run_supported must be true or false, found "yes" | write true',
    '8:20 pack.service.type must be one of oneshot, simple, notify, found "simpel" | did you mean "simple"?',
  ]);
  expect(refusal(text)).toMatchObject({
    code: "manifest-invalid",
    message: 'cannot use the manifest "m": it has 10 faults',
  });
});

describe("each kind of fault has its words", () => {
  const cases: [name: string, lines: string, faults: string[]][] = [
    ["a list for a mapping", "  env: []\n", ["6:8 pack.env must be a mapping, found a list"]],
    ["a mapping for a list", "  artifacts: {}\n", ["6:14 pack.artifacts must be a list, found a mapping"]],
    [
      "nothing for a list",
      "  mounts:\n",
      ["6:10 pack.mounts must be a list, found nothing | remove the line, or write []"],
    ],
    [
      "text for a number",
      '  data: { epoch: "2" }\n',
      ['6:18 pack.data.epoch must be a number, found "2" | leave the quotes out'],
    ],
    [
      "a number that is no number",
      "  data: { epoch: .nan }\n",
      ["6:18 pack.data.epoch must be a number, found no finite number"],
    ],
    [
      "a number for text",
      "  description: 12\n",
      ['6:16 pack.description must be text, found the number 12 | put it in quotes: "12"'],
    ],
    [
      "one number for two",
      "  service: { backoff_seconds: [1] }\n",
      ["6:14 pack.service.backoff_seconds must hold exactly two numbers"],
    ],
    [
      "two numbers in the wrong order",
      "  service: { backoff_seconds: [9, 1] }\n",
      ["6:31 pack.service.backoff_seconds must be [least, most], in this order"],
    ],
    [
      "three numbers for two",
      "  service: { backoff_seconds: [1, 2, 3] }\n",
      ["6:38 pack.service.backoff_seconds must hold exactly two numbers"],
    ],
    [
      "a bad size",
      "  limits: { memory: 3 parsecs }\n",
      [
        '6:21 pack.limits.memory must be a size such as "64MiB" or "1GB", from 1 byte to 1024TiB, found "3 parsecs"',
      ],
    ],
    [
      "a size of another kind",
      "  limits: { memory: [] }\n",
      ["6:21 pack.limits.memory must be text or a number, found a list"],
    ],
    [
      "a bad range",
      '  dependencies: [{ pack_id: b, version_constraint: "about 1" }]\n',
      [
        '6:52 pack.dependencies[0].version_constraint must be a version range, such as ">=1.0.0 <2" or "^1.2", found "about 1"',
      ],
    ],
    [
      "a dependency on itself",
      "  dependencies: [{ pack_id: a }]\n",
      ["6:29 pack.dependencies[0].pack_id is the pack itself"],
    ],
    [
      "a dependency twice",
      "  dependencies: [{ pack_id: b }, { pack_id: b }]\n",
      ['6:45 pack.dependencies[1].pack_id is "b" for the second time'],
    ],
    [
      "an artifact twice",
      "  artifacts: [{ path: x }, { path: x }]\n",
      ['6:36 pack.artifacts[1].path is "x" for the second time'],
    ],
    [
      "a bad checksum",
      "  artifacts: [{ path: x, sha256: abc }]\n",
      [
        '6:34 pack.artifacts[0].sha256 must be 64 digits of 0-9 and a-f, or "" while it is not sealed, found "abc"',
      ],
    ],
    [
      "a mount without a type",
      "  mounts: [{ path: /x }]\n",
      ["6:12 pack.mounts[0].type is missing | it is one of memory, pack, host, data"],
    ],
    [
      "a mount of an unknown type",
      "  mounts: [{ path: /x, type: tmpfs }]\n",
      ['6:30 pack.mounts[0].type must be one of memory, pack, host, data, found "tmpfs"'],
    ],
    [
      "a mount on the root",
      "  mounts: [{ path: /, type: pack }]\n",
      ['6:20 pack.mounts[0].path must name a directory below /, found "/"'],
    ],
    [
      "a key of another mount type",
      "  mounts: [{ path: /x, type: pack, size: 1MiB }]\n",
      [
        '6:36 unknown key "size" in pack.mounts[0] | known here: path, type; keys of your own begin with "x-"',
      ],
    ],
    [
      "a mount of its own data",
      "  mounts: [{ path: /x, type: data, pack: a, source: /y }]\n",
      ["6:42 pack.mounts[0].pack is the pack itself"],
    ],
    [
      "data shared with nobody, and a quota of nothing",
      "  data: { share: [{ path: /x, with: [] }], quota: { files: 0 } }\n",
      [
        "6:37 pack.data.share[0].with must name a pack",
        "6:60 pack.data.quota.files must be a whole number from 1 to 1000000000",
      ],
    ],
    [
      "two mounts on one path",
      "  mounts: [{ path: /x, type: pack }, { path: /x, type: pack }]\n",
      ['6:46 pack.mounts[1].path is "/x" for the second time'],
    ],
    [
      "a job without a time",
      "  schedule: [{ name: j, run: j.sh }]\n",
      ['6:14 pack.schedule[0] needs every or cron | add every: "30s" or cron: "0 3 * * *"'],
    ],
    [
      "a job with two times",
      '  schedule: [{ name: j, run: j.sh, every: 1m, cron: "@daily" }]\n',
      ["6:53 pack.schedule[0].cron may not stand beside every | keep one of the two"],
    ],
    [
      "two jobs of one name",
      "  schedule: [{ name: j, run: j.sh, every: 1m }, { name: j, run: j.sh, every: 1m }]\n",
      ['6:57 pack.schedule[1].name is "j" for the second time'],
    ],
    [
      "an unknown time zone",
      '  schedule: [{ name: j, run: j.sh, cron: "@daily", timezone: Mars/Olympus }]\n',
      [
        '6:62 pack.schedule[0].timezone must be a time zone such as "Europe/Berlin" or "UTC", found "Mars/Olympus"',
      ],
    ],
    [
      "an offset for a time zone",
      '  schedule: [{ name: j, run: j.sh, cron: "@daily", timezone: "+02:00" }]\n',
      ['6:62 pack.schedule[0].timezone must be a time zone such as "Europe/Berlin" or "UTC", found "+02:00"'],
    ],
    [
      "a time zone without cron",
      "  schedule: [{ name: j, run: j.sh, every: 1m, timezone: UTC }]\n",
      ["6:57 pack.schedule[0].timezone has no meaning for every | remove it, or use cron"],
    ],
    [
      "a cron expression of seven fields",
      '  schedule: [{ name: j, run: j.sh, cron: "0 0 3 * * * 2027" }]\n',
      [
        '6:42 pack.schedule[0].cron must be a cron expression such as "0 3 * * *", or "@daily", found "0 0 3 * * * 2027"',
      ],
    ],
    [
      "a cron expression of four fields",
      '  schedule: [{ name: j, run: j.sh, cron: "0 3 * *" }]\n',
      [
        '6:42 pack.schedule[0].cron must be a cron expression such as "0 3 * * *", or "@daily", found "0 3 * *"',
      ],
    ],
    [
      "a relative host path",
      "  permissions: { read: [etc] }\n",
      ['6:25 pack.permissions.read[0] must be an absolute path, without . and .. in it, found "etc"'],
    ],
    [
      "a variable that no pack gets",
      "  env: { required: [LD_PRELOAD] }\n",
      [
        '6:21 pack.env.required[0] must not begin with BUN_ or LD_: a pack never gets those, found "LD_PRELOAD"',
      ],
    ],
    [
      "a port out of range",
      "  permissions: { net: { connect: [65536] } }\n",
      ["6:35 pack.permissions.net.connect[0] must be a whole number from 1 to 65535"],
    ],
    [
      "an address that is no http",
      '  health: { http: "ftp://x/" }\n',
      ['6:19 pack.health.http must be an address such as "http://127.0.0.1:8080/healthz", found "ftp://x/"'],
    ],
    [
      "a service without a start",
      "  service: { type: simple }\n",
      ["6:20 pack.service.type is simple, which needs entrypoint.start"],
    ],
    [
      "a grace past the deadline",
      "  health: { grace_seconds: 30 }\n",
      ["6:28 pack.health.grace_seconds must be less than deadline_seconds, which is 30"],
    ],
    [
      "an epoch that is not read",
      "  data: { epoch: 2, reads_epochs: [1] }\n",
      ["6:35 pack.data.reads_epochs must hold the pack's own epoch, which is 2"],
    ],
    [
      "a key of the pack one level up",
      "id: b\n",
      ['6:1 unknown key "id" in the manifest | all fields but "schema_version" stand under "pack"'],
    ],
    [
      "a section of the pack one level up",
      "data: { quota: { size: 1MiB } }\n",
      ['6:1 unknown key "data" in the manifest | all fields but "schema_version" stand under "pack"'],
    ],
    [
      "an escape sequence in a key",
      '  "\\e[31m\\u009bx": 1\n',
      [
        '6:3 unknown key "\\u001b[31m\\u009bx" in pack | known here: id, name, version, description, entrypoint, dependencies, artifacts, env, autoscan, safety, service, health, data, permissions, limits, mounts, schedule, device; keys of your own begin with "x-"',
      ],
    ],
  ];
  test.each(cases)("%s", (_name, lines, faults) => {
    expect(faultsOf(withPack(lines))).toEqual(faults);
  });

  test.each([
    ["1", '5:12 pack.version must be text, found the number 1 | write "1.0.0", in quotes'],
    ["1.10", '5:12 pack.version must be text, found the number 1.10 | write "1.10.0", in quotes'],
    [
      '"1.2"',
      '5:12 pack.version must be a version of Semantic Versioning, such as "1.0.0", found "1.2" | write "1.2.0", in quotes',
    ],
    [
      "v1.2.3",
      '5:12 pack.version must be a version of Semantic Versioning, such as "1.0.0", found "v1.2.3" | write "1.2.3"',
    ],
    ["latest", '5:12 pack.version must be a version of Semantic Versioning, such as "1.0.0", found "latest"'],
  ])("version: %s", (version, fault) => {
    expect(faultsOf(withPack("").replace('"1.0.0"', version))).toEqual([fault]);
  });

  test("a manifest that is a list or a word", () => {
    expect(faultsOf("- a\n")).toEqual(["1:1 the manifest must be a mapping, found a list"]);
    expect(faultsOf("[]", "json")).toEqual(["1:1 the manifest must be a mapping, found a list"]);
    expect(faultsOf("pack\n")).toEqual(['1:1 the manifest must be a mapping, found "pack"']);
  });

  test("what every manifest needs is named with what to write", () => {
    expect(faultsOf("{}", "json")).toEqual([
      '1:1 schema_version is missing | add schema_version: "aurora-manifest-v1"',
      "1:1 pack is missing | add pack:",
    ]);
  });

  test.each(["", "\n", "# only a comment\n", "---\n", "null\n"])("an empty manifest: %j", (text) => {
    expect(refusal(text)).toMatchObject({
      code: "manifest-invalid",
      message: 'cannot use the manifest "m": it is empty',
      hint: 'begin with schema_version: "aurora-manifest-v1", or run aurora init',
    });
  });
});

describe("keys that mean something to JavaScript are unknown keys like others", () => {
  test.each(["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"])("%s", (key) => {
    const [first, ...others] = faultsOf(withPack(`  ${key}: { id: b, polluted: true }\n`));
    expect(first).toStartWith(`6:3 unknown key "${key}" in pack`);
    expect(others).toEqual([]);
    const json = `{"schema_version":"aurora-manifest-v1","pack":{"id":"a","name":"A","version":"1.0.0","${key}":{"polluted":true}}}`;
    expect(faultsOf(json, "json")[0]).toContain(`unknown key "${key}" in pack`);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test("in a job's tags too, where names are free", () => {
    const job = (tags: string) =>
      withPack(`  schedule: [{ name: j, run: j.sh, every: 1m, tags: ${tags} }]\n`);
    expect(faultsOf(job("{ __proto__: 1, constructor: 2, prototype: 3 }"))).toEqual([
      '6:55 pack.schedule[0].tags may not have the key "__proto__"',
      '6:69 pack.schedule[0].tags may not have the key "constructor"',
      '6:85 pack.schedule[0].tags may not have the key "prototype"',
    ]);
    const { manifest } = parseManifest(Buffer.from(job("{ to-string: 2 }")), "m", "yaml");
    expect(manifest.pack.schedule[0]?.tags).toEqual({ "to-string": 2 });
  });
});

describe("bytes that are no text", () => {
  const before = Buffer.from("schema_version: aurora-manifest-v1\npack:\n  name: caf");
  test.each([
    ["Latin-1", [0xe9, 0x0a], "e9"],
    ["a continuation byte alone", [0x80], "80"],
    ["an overlong form", [0xc0, 0xaf], "c0"],
    ["an overlong form of three bytes", [0xe0, 0x80, 0xaf], "e0"],
    ["a surrogate", [0xed, 0xa0, 0x80], "ed"],
    ["past the last character", [0xf4, 0x90, 0x80, 0x80], "f4"],
    ["cut short", [0xe2, 0x82], "e2"],
  ])("%s: the place of the first bad byte", (_name, bytes, hex) => {
    const error = refusal(Buffer.concat([before, Buffer.from(bytes)]));
    expect(error).toMatchObject({
      code: "manifest-syntax",
      message: 'cannot read the manifest "m": it is not plain text',
    });
    expect(error.diagnostics).toEqual([
      {
        message: `the byte 0x${hex} is no UTF-8`,
        hint: "save the file as UTF-8",
        source: { file: "m", line: 3, column: 12, length: 1, text: "  name: caf" },
      },
    ]);
  });

  test("UTF-16 is recognized", () => {
    const text = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from("pack:\n", "utf16le")]);
    expect(faultsOf(text)).toEqual([
      "1:1 the byte 0xff is no UTF-8 | it looks like UTF-16: save the file as UTF-8",
    ]);
  });

  test.each(["yaml", "json"] as const)("control characters, %s", (format) => {
    expect(faultsOf("pack:\n  id: a\u0007\n", format)).toEqual([
      "2:8 the control character U+0007 may not stand here",
    ]);
  });

  test("every valid character is taken", () => {
    const name = "é€😀\u{10ffff}퟿";
    const { manifest } = parseManifest(
      Buffer.from(withPack("").replace("name: A", `name: "${name}"`)),
      "m",
      "yaml",
    );
    expect(manifest.pack.name).toBe(name);
  });
});

describe("limits", () => {
  test("more than 1 MiB is refused, 1 MiB is read", () => {
    const text = withPack("  x-long: ");
    const fits = Buffer.from(text + "a".repeat(MAX_MANIFEST_BYTES - text.length));
    expect(parseManifest(fits, "m", "yaml").manifest.pack.id).toBe("a");
    const error = refusal(Buffer.concat([fits, Buffer.from("a")]));
    expect(error).toMatchObject({
      code: "manifest-invalid",
      message: 'cannot read the manifest "m": it is larger than 1024 KiB',
    });
  });

  test("a hundred faults are shown, and how many there are", () => {
    const keys = Array.from({ length: 150 }, (_, i) => `  key${i}: 1\n`).join("");
    const error = refusal(withPack(keys));
    expect(error.message).toBe(
      'cannot use the manifest "m": it has 150 faults, of which these are the first 100',
    );
    expect(error.diagnostics).toHaveLength(MAX_FAULTS);
  });

  test.each([
    ["name", `  name: ${"n".repeat(129)}\n`, "must not be longer than 128 characters"],
    ["description", `  description: ${"d".repeat(4097)}\n`, "must not be longer than 4096 characters"],
    ["a path", `  entrypoint: { stop: ${"p".repeat(4096)} }\n`, "must be a relative path"],
    [
      "an argument",
      `  entrypoint: { stop: [a, ${"p".repeat(4097)}] }\n`,
      "must not be longer than 4096 characters",
    ],
    ["arguments", `  entrypoint: { stop: [${"a, ".repeat(64)}a] }\n`, "must not have more than 64 entries"],
    [
      "dependencies",
      `  dependencies: [${Array.from({ length: 257 }, (_, i) => `{ pack_id: p${i} }`).join(", ")}]\n`,
      "must not have more than 256 entries",
    ],
    [
      "artifacts",
      `  artifacts: [${Array.from({ length: 10_001 }, (_, i) => `{ path: p${i} }`).join(", ")}]\n`,
      "must not have more than 10000 entries",
    ],
    [
      "a list",
      `  env: { required: [${Array.from({ length: 257 }, (_, i) => `V${i}`).join(", ")}] }\n`,
      "must not have more than 256 entries",
    ],
    [
      "jobs",
      `  schedule: [${Array.from({ length: 257 }, (_, i) => `{ name: j${i}, run: x, every: 1m }`).join(", ")}]\n`,
      "must not have more than 256 entries",
    ],
    [
      "seconds",
      "  service: { stop_timeout_seconds: 604801 }\n",
      "must be a number of seconds from 0 to 604800",
    ],
    ["a short interval", "  schedule: [{ name: j, run: x, every: 99ms }]\n", "must be a time such as"],
    ["a long interval", "  schedule: [{ name: j, run: x, every: 3661d }]\n", "must be a time such as"],
    ["a size", "  limits: { memory: 1025TiB }\n", "must be a size such as"],
    ["an epoch", "  data: { epoch: 1000000001 }\n", "must be a whole number from 1 to 1000000000"],
  ])("%s has one", (name, lines, message) => {
    const text = name === "name" ? withPack("").replace("  name: A\n", lines) : withPack(lines);
    const faults = faultsOf(text);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(message);
  });

  test("what is just inside them is taken", () => {
    const lines = `  description: ${"d".repeat(4096)}
  entrypoint: { stop: [${"p".repeat(4095)}, ${"a".repeat(4096)}${", a".repeat(62)}] }
  service: { stop_timeout_seconds: 604800 }
  schedule: [{ name: j, run: x, every: 100ms }, { name: k, run: x, every: 3660d }]
  limits: { memory: 1024TiB }
  data: { epoch: 1000000000 }
`;
    const text = withPack(lines).replace("name: A", `name: ${"n".repeat(128)}`);
    expect(parseManifest(Buffer.from(text), "m", "yaml").manifest.pack.limits.memory_bytes).toBe(1024 ** 5);
  });
});
