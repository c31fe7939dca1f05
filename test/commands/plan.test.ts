import { expect, test } from "bun:test";
import { existsSync } from "node:fs";

import { type Run } from "../support/aurora.ts";
import { testHome } from "../support/test-home.ts";

/** Which layers there are depends on the machine. */
const withoutLayers = (run: Run): Run => ({
  ...run,
  stdout: run.stdout
    .replaceAll(/: enforced, by landlock-files,.*/g, ": CONFINED")
    .replaceAll(/^    without .*\n/gm, ""),
});

test("plan shows what would be done, dependencies first, and writes nothing", async () => {
  await using t = testHome();
  t.write({ id: "base", start: null, stop: null, health: null, files: { "lib/a.sh": "x" } });
  t.write({
    id: "app",
    approval: true,
    manifest: '  dependencies: [{ pack_id: base, version_constraint: ">=1.0.0" }]',
  });
  expect(withoutLayers(await t.run(["plan", "app"]))).toEqual({
    stdout: `This will be done:
  install base 1.0.0
  install app 1.0.0
Files:
  + base/install.sh
  + base/lib
  + base/lib/a.sh
  + base/manifest.yaml
  + app/health.sh
  + app/install.sh
  + app/manifest.yaml
  + app/start.sh
  + app/stop.sh
Permissions:
  base: nothing beyond the baseline
  app: nothing beyond the baseline
Confinement:
  base: CONFINED
  app: CONFINED
Plan: DIGEST
`,
    stderr: "",
    exitCode: 0,
  });
  expect(existsSync(t.home)).toBe(false);
});

test("plan --json has these keys", async () => {
  await using t = testHome();
  t.write({ id: "app", approval: true });
  const { value, stderr, exitCode } = await t.json(["plan", "app"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(value).toEqual({
    plan_digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    approval_required: true,
    changed: true,
    actions: [
      {
        action: "install",
        pack_id: "app",
        from_version: null,
        to_version: "1.0.0",
        from_digest: null,
        from_generation: null,
        digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
        data_of_generation: null,
      },
    ],
    permissions: [
      {
        pack_id: "app",
        read: [],
        write: [],
        run: [],
        net: { connect: [], listen: [], udp: false },
        unix: false,
        env: [],
        user: "own",
        confinement: "best_effort",
        limits: {
          memory_bytes: null,
          processes: null,
          open_files: null,
          file_size_bytes: null,
          cpu_seconds: null,
        },
        allow_all: false,
        grows: [],
      },
    ],
    confinement: [
      {
        pack_id: "app",
        state: "enforced",
        user: null,
        layers: expect.arrayContaining([{ name: "landlock-files", enforced: true, reason: null }]),
      },
    ],
    mounts: [],
    shares: [],
    files: {
      added: ["app/health.sh", "app/install.sh", "app/manifest.yaml", "app/start.sh", "app/stop.sh"],
      changed: [],
      removed: [],
    },
  });
});

test("an upgrade lists the files that change", async () => {
  await using t = testHome();
  t.write({ id: "app", files: { old: "1", same: "2" } });
  await t.run(["install", "app"]);
  t.write({
    id: "app",
    name: "next",
    version: "1.1.0",
    files: { new: "1", same: "2" },
    manifest: "  permissions: { net: { connect: [443] }, unix: true, env: [TOKEN] }",
  });
  expect(withoutLayers(await t.run(["plan", "./packs/next"]))).toMatchObject({
    stdout: `This will be done:
  upgrade app 1.0.0 → 1.1.0
Files:
  + app/new
  ~ app/manifest.yaml
  - app/old
Permissions:
  app: connects to port 443; uses Unix sockets; sees TOKEN
    new, and to be approved: connect to port 443; use Unix sockets; see TOKEN
Confinement:
  app: CONFINED
Plan: DIGEST
`,
    exitCode: 0,
  });
});

test("no name of a file passes for a line of the plan, or moves the cursor over one", async () => {
  await using t = testHome();
  t.write({ id: "app", install: null, start: null, stop: null, health: null });
  await Bun.write(`${t.packs}/app/x\nPermissions:\n  app: nothing`, "");
  await Bun.write(`${t.packs}/app/y\u001b[2A`, "");
  expect((await t.run(["plan", "app"])).stdout).toStartWith(`This will be done:
  install app 1.0.0
Files:
  + app/manifest.yaml
  + app/x\\u{a}Permissions:\\u{a}  app: nothing
  + app/y\\u{1b}[2A
Permissions:
  app: nothing beyond the baseline
`);
});

test("where nothing changes it says so", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  expect(await t.run(["plan", "app"])).toMatchObject({
    stdout: "Nothing changes:\n  app 1.0.0 is live already\nPlan: DIGEST\n",
    exitCode: 0,
  });
});

test("a missing dependency, a conflict, a variable that is not set: each before anything changes", async () => {
  await using t = testHome();
  t.write({
    id: "app",
    manifest:
      '  dependencies: [{ pack_id: base, version_constraint: ">=2.0.0" }]\n  env: { required: [TOKEN] }',
  });
  expect(await t.run(["plan", "app"])).toEqual({
    stdout: "",
    stderr: `error[dependency-missing]: cannot plan: 1 dependency is missing
  "app" 1.0.0 needs "base" >=2.0.0
hint: give "base" as a source too, or put it into a directory that AURORA_PACKS names
`,
    exitCode: 8,
  });
  t.write({ id: "base" });
  expect(await t.run(["plan", "app"])).toEqual({
    stdout: "",
    stderr: `error[version-conflict]: cannot plan: 1 version constraint is not satisfied
  "app" 1.0.0 needs "base" >=2.0.0, but 1.0.0 is to be installed
hint: give a version of the pack that all of them accept
`,
    exitCode: 8,
  });
  t.write({ id: "base", version: "2.0.0" });
  expect(await t.run(["plan", "app"])).toEqual({
    stdout: "",
    stderr: `error[environment-missing]: cannot install "app": TOKEN is not set
hint: aurora env set app TOKEN=VALUE
`,
    exitCode: 8,
  });
  expect(await t.run(["plan", "app"], { env: { TOKEN: "x" } })).toMatchObject({ stderr: "", exitCode: 0 });
});

test("the variables that several packs lack are named at once", async () => {
  await using t = testHome();
  t.write({ id: "app", manifest: "  env: { required: [TOKEN, URL] }" });
  t.write({ id: "web", manifest: "  env: { required: [TOKEN] }" });
  expect(await t.run(["plan", "app", "web"])).toEqual({
    stdout: "",
    stderr: `error[environment-missing]: cannot install: variables that 2 packs need are not set
  "app": TOKEN, URL are not set
  "web": TOKEN is not set
hint: aurora env set app TOKEN=VALUE URL=VALUE, and so for each
`,
    exitCode: 8,
  });
});

test("a pack that requires confinement is taken where there is some, and one for another machine is not", async () => {
  await using t = testHome();
  t.write({ id: "strict", manifest: "  permissions: { confinement: required }" });
  expect(await t.run(["plan", "strict", "--require-confinement"])).toMatchObject({ exitCode: 0 });
  t.write({ id: "other", manifest: "  device: { os: [darwin] }" });
  expect(await t.run(["plan", "other"])).toEqual({
    stdout: "",
    stderr:
      'error[not-supported]: cannot install "other" on this machine\n  it is for darwin, and this is linux\n',
    exitCode: 1,
  });
});

test("a source may be given as --pack, before and after the command, by every command that takes one", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  const calls = ["check", "seal", "stage", "dry-run", "plan", "install", "ensure", "test", "diff"];
  for (const name of calls) {
    const { stderr, exitCode } = await t.run([name, "--pack", "app"]);
    expect({ name, exitCode, usage: stderr.includes("error[usage]") }).toEqual({
      name,
      exitCode: name === "test" ? 5 : 0,
      usage: false,
    });
  }
  expect((await t.run(["plan", "--pack", "app"])).stdout).toBe((await t.run(["plan", "app"])).stdout);
  expect(await t.run(["--pack", "app", "plan"])).toMatchObject({ exitCode: 0 });
});
