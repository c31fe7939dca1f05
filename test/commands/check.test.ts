import { describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { aurora, scratch } from "../support/aurora.ts";

const manifest = (more = "") =>
  `schema_version: "aurora-manifest-v1"\npack:\n  id: "demo"\n  name: "Demo"\n  version: "1.0.0"\n${more}`;

/** A pack in a directory of its own, and how to call aurora beside it. */
function packs(files: Record<string, string>) {
  const directory = scratch();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(directory.path, name, ".."), { recursive: true });
    writeFileSync(join(directory.path, name), content, { mode: 0o755 });
  }
  const home = join(directory.path, "home");
  return {
    ...directory,
    run: (...argv: string[]) => aurora(argv, { cwd: directory.path, home }),
  };
}

test("a pack that is right: one line, exit code 0, and no home is made", async () => {
  using place = packs({ "demo/manifest.yaml": manifest() });
  expect(await place.run("check", "./demo")).toEqual({ stdout: "demo 1.0.0: ok\n", stderr: "", exitCode: 0 });
  const { stdout, stderr, exitCode } = await place.run("check", "--json", "./demo");
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(JSON.parse(stdout)).toEqual({
    ok: true,
    packs: [{ path: join(place.path, "demo"), pack_id: "demo", version: "1.0.0", diagnostics: [] }],
  });
  expect((await place.run("scan", "--json")).stdout).not.toContain("home");
});

test("a job whose time makes no sense is a fault, at its place", async () => {
  using place = packs({
    "demo/manifest.yaml": manifest('  schedule:\n    - { name: a, cron: "0 25 * * *", run: a.sh }\n'),
    "demo/a.sh": "#!/bin/sh\n",
  });
  const shown = `error[manifest-invalid]: cannot read the cron expression "0 25 * * *": 25 is no hour
  --> demo/manifest.yaml:7:24
  |
7 |     - { name: a, cron: "0 25 * * *", run: a.sh }
  |                        ^^^^^^^^^^^^
`;
  expect(await place.run("check", "./demo")).toEqual({
    stdout: `demo 1.0.0: 1 error\n  ${shown}`,
    stderr: "",
    exitCode: 7,
  });
  const staged = await place.run("stage", "./demo");
  expect(staged).toMatchObject({ stdout: "", exitCode: 7 });
  expect(staged.stderr).toContain('cannot read the cron expression "0 25 * * *": 25 is no hour');
});

test("faults are shown with their places, and the exit code is 7 in both forms", async () => {
  using place = packs({
    "demo/manifest.yaml": manifest('  entrypoint:\n    strat: "start.sh"\n    stop: [1]\n'),
  });
  expect(await place.run("check", "./demo")).toEqual({
    stdout: `${place.path}/demo: 2 errors
  error[manifest-invalid]: unknown key "strat" in pack.entrypoint
  --> demo/manifest.yaml:7:5
  |
7 |     strat: "start.sh"
  |     ^^^^^
  hint: did you mean "start"?
  error[manifest-invalid]: pack.entrypoint.stop[0] must be text, found the number 1
  --> demo/manifest.yaml:8:12
  |
8 |     stop: [1]
  |            ^
  hint: put it in quotes: "1"
`,
    stderr: "",
    exitCode: 7,
  });
  const { stdout, stderr, exitCode } = await place.run("check", "--json", "./demo");
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 7 });
  expect(JSON.parse(stdout)).toEqual({
    ok: false,
    packs: [
      {
        path: join(place.path, "demo"),
        pack_id: null,
        version: null,
        diagnostics: [
          {
            severity: "error",
            code: "manifest-invalid",
            message: 'unknown key "strat" in pack.entrypoint',
            file: "demo/manifest.yaml",
            line: 7,
            column: 5,
            length: 5,
            source_line: '    strat: "start.sh"',
            hint: 'did you mean "start"?',
          },
          {
            severity: "error",
            code: "manifest-invalid",
            message: "pack.entrypoint.stop[0] must be text, found the number 1",
            file: "demo/manifest.yaml",
            line: 8,
            column: 12,
            length: 1,
            source_line: "    stop: [1]",
            hint: 'put it in quotes: "1"',
          },
        ],
      },
    ],
  });
});

test("several packs are checked together; warnings alone are no failure", async () => {
  using place = packs({
    "one/manifest.yaml": manifest('  artifacts: [{ path: "x" }]\n'),
    "one/x": "x",
    "two/manifest.json": "{}",
    "three/README.md": "no pack\n",
  });
  expect(await place.run("check", "./one")).toEqual({
    stdout: `demo 1.0.0: ok, 1 warning
  warning[not-sealed]: the artifact "x" is not sealed
  --> one/manifest.yaml:6:15
  |
6 |   artifacts: [{ path: "x" }]
  |               ^^^^^^^^^^^^^
  hint: aurora seal ${place.path}/one
`,
    stderr: "",
    exitCode: 0,
  });
  const { stdout, exitCode } = await place.run("check", "./one", "./two", "./three", "--json");
  const { ok, packs: checked } = JSON.parse(stdout) as {
    ok: boolean;
    packs: { path: string; diagnostics: { code: string; file: string | null }[] }[];
  };
  expect({ ok, exitCode }).toEqual({ ok: false, exitCode: 7 });
  expect(checked.map(({ path, diagnostics }) => [path, diagnostics.map(({ code }) => code)])).toEqual([
    [`${place.path}/one`, ["not-sealed"]],
    [`${place.path}/two`, ["manifest-invalid", "manifest-invalid"]],
    [`${place.path}/three`, ["manifest-missing"]],
  ]);
});

test("a line of many kilobytes is not repeated for each of its faults", async () => {
  const keys = (length: number) =>
    `{"schema_version":"aurora-manifest-v1","x-long":"${"a".repeat(length)}","packs":{}}`;
  for (const [length, isShown] of [
    [1000, true],
    [20_000, false],
  ] as const) {
    using place = packs({ "demo/manifest.json": keys(length) });
    const { stdout } = await place.run("check", "./demo", "--json");
    const { packs: checked } = JSON.parse(stdout) as {
      packs: { diagnostics: { source_line: string | null }[] }[];
    };
    expect(checked[0]?.diagnostics.map(({ source_line }) => source_line !== null)).toEqual([
      isShown,
      isShown,
    ]);
    expect((await place.run("check", "./demo")).stdout.includes("^^^")).toBe(isShown);
  }
});

test("what may not be in a pack, and what .auroraignore keeps out of it, is found as well", async () => {
  using place = packs({
    "demo/manifest.yaml": manifest('  entrypoint: { stop: "build/stop.sh" }\n'),
    "demo/build/stop.sh": "#!/bin/sh\n",
    "demo/.auroraignore": "build/\n",
  });
  symlinkSync("/etc/passwd", join(place.path, "demo/users"));
  const { stdout, exitCode } = await place.run("check", "./demo");
  expect({ stdout, exitCode }).toEqual({
    stdout: `demo 1.0.0: 2 errors
  error[ignored]: cannot find the file "build/stop.sh": .auroraignore keeps it out of the pack
  --> demo/manifest.yaml:6:23
  |
6 |   entrypoint: { stop: "build/stop.sh" }
  |                       ^^^^^^^^^^^^^^^
  hint: take it out of .auroraignore, or out of the manifest
  error[pack-invalid]: "users" is an absolute symlink: "/etc/passwd"
  hint: point it at a file of the pack, by a relative path
`,
    exitCode: 7,
  });
});

describe("where a source is looked for", () => {
  test("a path, the directory here, and an id in ./packs, $AURORA_PACKS and the home", async () => {
    using place = packs({
      "packs/demo/manifest.yaml": manifest(),
      "more/other/manifest.yaml": manifest().replace("demo", "other"),
      "home/packs/third/manifest.yaml": manifest().replace("demo", "third"),
    });
    const env = { AURORA_PACKS: `/nonexistent:${place.path}/more` };
    const options = { cwd: place.path, home: join(place.path, "home"), env };
    const { stdout } = await aurora(["check", "demo", "other", "third", "./packs/demo", "--json"], options);
    const { packs: checked } = JSON.parse(stdout) as { packs: { path: string; pack_id: string }[] };
    expect(checked.map(({ path, pack_id }) => [path, pack_id])).toEqual([
      [`${place.path}/packs/demo`, "demo"],
      [`${place.path}/more/other`, "other"],
      [`${place.path}/home/packs/third`, "third"],
      [`${place.path}/packs/demo`, "demo"],
    ]);
    expect(await aurora(["check", "."], { cwd: join(place.path, "packs/demo") })).toEqual({
      stdout: "demo 1.0.0: ok\n",
      stderr: "",
      exitCode: 0,
    });
  });

  test("$AURORA_PACKS wins over ./packs, and ./packs over the home", async () => {
    using place = packs({
      "packs/demo/manifest.yaml": manifest(),
      "more/demo/manifest.yaml": manifest(),
      "home/packs/demo/manifest.yaml": manifest(),
    });
    const pathWith = async (env: Record<string, string>) => {
      const options = { cwd: place.path, home: join(place.path, "home"), env };
      const { stdout } = await aurora(["check", "demo", "--json"], options);
      return (JSON.parse(stdout) as { packs: { path: string }[] }).packs[0]?.path;
    };
    expect(await pathWith({ AURORA_PACKS: "more" })).toBe(`${place.path}/more/demo`);
    expect(await pathWith({})).toBe(`${place.path}/packs/demo`);
  });

  test("an id that is nowhere: where it was looked for, and the nearest", async () => {
    using place = packs({ "packs/demo/manifest.yaml": manifest(), "here/manifest.yaml": manifest() });
    const error = (id: string, hint: string) => ({
      stdout: "",
      stderr: `error[not-found]: cannot find the pack "${id}": it is not in "${place.path}/packs", "${place.path}/home/packs"\nhint: ${hint}\n`,
      exitCode: 5,
    });
    expect(await place.run("check", "demmo")).toEqual(error("demmo", 'did you mean "demo"?'));
    expect(await place.run("check", "here")).toEqual(error("here", '"./here" names the directory here'));
    expect(await place.run("check", "zzzzzz")).toEqual(
      error("zzzzzz", "name its directory, such as ./my-pack, or set AURORA_PACKS"),
    );
    expect(await place.run("install", "demo", "--approve", "sha256:0a1b")).toEqual(
      error("sha256:0a1b", "a plan's digest stands behind an equals sign: --approve=sha256:0a1b"),
    );
  });

  test("a path that is not there, or is no directory", async () => {
    using place = packs({ file: "x" });
    expect(await place.run("check", "./nowhere")).toEqual({
      stdout: "",
      stderr: 'error[not-found]: cannot find the pack "./nowhere": there is no such directory\n',
      exitCode: 5,
    });
    expect(await place.run("check", "./file")).toMatchObject({
      stderr:
        'error[not-a-directory]: cannot use the pack "./file": it is not a directory\nhint: name the directory that holds the manifest\n',
      exitCode: 1,
    });
  });

  test("nothing", async () => {
    expect(await aurora(["check"])).toMatchObject({ stdout: "", exitCode: 2 });
  });
});
