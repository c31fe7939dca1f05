/** What a pack mounts in memory, which its scripts, services, jobs and the operator share: from outside. */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";

import { canBeLesser, lacking, onLesserKernel } from "../support/lesser-kernel.ts";
import { userHome, users } from "../support/user-home.ts";

const TIMEOUT_MS = 180_000;
const quiet = { install: null, start: null, stop: null, health: null };
const cache = "  mounts:\n    - { path: /cache, type: memory, size: 64KiB, files: 8 }";
const canShare = existsSync("/dev/shm");

/** Shell: the directory that a pack's one mount is. */
const directoryOfMount = String.raw`directory=$(printf %s "$AURORA_MOUNTS" | sed 's/.*"directory":"\([^"]*\)".*/\1/')`;

/** What is in a mount, without what the count of its limit keeps there. */
const namesIn = (directory: string) =>
  readdirSync(directory)
    .filter((name) => !name.startsWith(".aurora-tmp."))
    .toSorted();

/** What a script of the pack "app" says of the mount, by the way of `aurora vfs` and by the directory itself. */
const look = (name: string) => `
${directoryOfMount}
{ "$AURORA_BIN" vfs cat app /cache/operator; cat "$directory/operator"; } > data/seen-by-${name}
echo ${name} | "$AURORA_BIN" vfs write app "/cache/${name}"`;

const kernels: [string, string[]][] = [
  ["", []],
  ...(canBeLesser ? ([[", without namespaces", onLesserKernel(lacking.namespaces)]] as [string, string[]][]) : []),
];
const cases = users.flatMap((user) => kernels.map(([name, before]) => [`${user}${name}`, user, before] as const));

describe.skipIf(!canShare).each(cases)("as %s", (_name, user, before) => {
  /** Aurora on this kernel; `inPack` runs a shell script as a pack, `write` is the operator's. */
  const homeOf = () => {
    const t = userHome(user);
    const run = (argv: readonly string[], stdin?: string) => t.run(argv, {}, before, stdin);
    return {
      ...t,
      run,
      inPack: (packId: string, script: string) =>
        run(["exec", packId, "--", "sh", "-c", script.replaceAll("aurora ", '"$AURORA_BIN" ')]),
    };
  };
  const done = { stdout: "", stderr: "", exitCode: 0 };

  test("the operator, scripts, a service and a job share it, until the pack is removed", async () => {
    await using t = homeOf();
    t.write({
      id: "app",
      ...quiet,
      manifest: `${cache}
  service: { type: simple }
  entrypoint: { start: start.sh, health: health.sh, stop: stop.sh }
  schedule: [{ name: beat, cron: "0 0 1 1 *", run: job.sh }]`,
      files: {
        "start.sh": `#!/bin/sh\nset -eu\n${look("start")}\ntouch data/started\nexec sleep 300\n`,
        "health.sh": `#!/bin/sh\nset -eu\n[ -e data/started ]\n${look("health")}\n`,
        "stop.sh": `#!/bin/sh\nset -eu\n${look("stop")}\n`,
        "job.sh": `#!/bin/sh\nset -eu\n${look("job")}\n`,
      },
    });
    expect(await t.run(["install", "app", "--approve", "--no-start"])).toMatchObject({ exitCode: 0 });
    expect(await t.run(["vfs", "write", "app", "/cache/operator"], "by the operator\n")).toEqual(done);
    expect(await t.run(["start", "app"])).toMatchObject({ stderr: "", exitCode: 0 });
    expect(await t.run(["wait", "app", "--for", "healthy"])).toMatchObject({ exitCode: 0 });
    expect(await t.run(["schedule", "run", "app", "beat"])).toMatchObject({ exitCode: 0 });
    expect(await t.inPack("app", look("exec"))).toEqual(done);
    expect(await t.run(["stop", "app"])).toMatchObject({ exitCode: 0 });
    for (const name of ["start", "health", "job", "exec", "stop"]) {
      const seen = readFileSync(`${t.home}/data/app/seen-by-${name}`, "utf8");
      expect({ name, seen }).toEqual({ name, seen: "by the operator\nby the operator\n" });
      const written = await t.run(["vfs", "cat", "app", `/cache/${name}`]);
      expect(written).toEqual({ ...done, stdout: `${name}\n` });
    }
    // What one script has made, another sees and may change; and so may the operator.
    expect(await t.inPack("app", "aurora vfs cat app /cache/job; aurora vfs rm app /cache/job")).toEqual({ ...done, stdout: "job\n" });
    expect(await t.run(["vfs", "rm", "app", "/cache/exec"])).toEqual(done);
    const directory = (await t.inPack("app", `${directoryOfMount}; echo $directory`)).stdout.trim();
    expect(namesIn(directory)).toEqual(["health", "operator", "start", "stop"]);
    expect(await t.run(["remove", "app"])).toMatchObject({ exitCode: 0 });
    expect(existsSync(dirname(directory))).toBe(false);
  }, TIMEOUT_MS);

  test("its limits hold for all of them together", async () => {
    await using t = homeOf();
    t.write({ id: "app", ...quiet, manifest: cache });
    expect(await t.run(["install", "app", "--approve"])).toMatchObject({ exitCode: 0 });
    expect(await t.inPack("app", "head -c 40000 /dev/zero | aurora vfs write app /cache/a")).toEqual(done);
    const refused = {
      stdout: "",
      stderr: 'error[quota-exceeded]: cannot write "/cache/b": the quota does not allow it\n',
      exitCode: 1,
    };
    expect(await t.run(["vfs", "write", "app", "/cache/b"], "x".repeat(40_000))).toEqual(refused);
    expect(await t.inPack("app", "head -c 40000 /dev/zero | aurora vfs write app /cache/b")).toEqual(refused);
    // What is written past Aurora counts as well.
    expect(await t.inPack("app", `${directoryOfMount}; for i in 1 2 3 4 5 6 7; do : > "$directory/$i"; done`)).toEqual(done);
    expect(await t.run(["vfs", "write", "app", "/cache/b"], "")).toEqual(refused);
    expect(await t.inPack("app", ": | aurora vfs write app /cache/b")).toEqual(refused);
    expect(await t.run(["remove", "app"])).toMatchObject({ exitCode: 0 });
  }, TIMEOUT_MS);

  test("it is there for a pack that is being installed, and gone with one that could not be", async () => {
    await using t = homeOf();
    const granted = { id: "app", ...quiet, manifest: `${cache}\n  permissions: { write: ["${t.shared}"] }` };
    t.write({ ...granted, install: `[ "$1" = --dry-run ] || { ${directoryOfMount}; echo "$directory" > '${t.shared}/where'; echo x > "$directory/x"; exit 3; }` });
    expect(await t.run(["install", "app", "--approve"])).toMatchObject({ exitCode: 4 });
    const directory = readFileSync(`${t.shared}/where`, "utf8").trim();
    expect(directory).toMatch(/^\/dev\/shm\/aurora-/);
    expect(existsSync(dirname(directory))).toBe(false);
  }, TIMEOUT_MS);

  test("no other pack sees it, and nobody gets anywhere by it", async () => {
    await using t = homeOf();
    t.write({ id: "app", ...quiet, manifest: cache });
    t.write({ id: "other", ...quiet, manifest: cache });
    t.write({ id: "without", ...quiet });
    for (const packId of ["app", "other", "without"])
      expect(await t.run(["install", packId, "--approve"])).toMatchObject({ exitCode: 0 });
    expect(await t.run(["vfs", "write", "app", "/cache/secret"], "secret")).toEqual(done);
    const directory = (await t.inPack("app", `${directoryOfMount}; echo $directory`)).stdout.trim();
    for (const packId of ["other", "without"])
      for (const attempt of ["cat DIR/secret", "ls DIR", "echo x > DIR/planted", "rm -r DIR", "mv DIR/.. /dev/shm/moved"]) {
        const script = `(${attempt.replace("DIR", directory)}) 2> /dev/null || echo refused`;
        expect(await t.inPack(packId, script), `${packId}: ${attempt}`).toEqual({ ...done, stdout: "refused\n" });
      }
    expect(namesIn(directory)).toEqual(["secret"]);
    // A pack that puts a link in the place of its own memory leads nobody to where that points.
    await t.inPack("app", `rm -rf "${directory}"; ln -s "$AURORA_DATA_DIR" "${directory}"; mv "${dirname(directory)}" /dev/shm/moved`);
    await t.inPack("app", `chmod 777 "${directory}"; ln -s "$AURORA_DATA_DIR" "${directory}/out"`);
    expect(await t.run(["vfs", "write", "app", "/cache/out/x"], "x")).toMatchObject({ exitCode: 9 });
    expect(await t.run(["vfs", "write", "app", "/cache/kept"], "kept")).toEqual(done);
    expect(namesIn(directory)).toContain("kept");
    for (const packId of ["app", "other", "without"])
      expect(await t.run(["remove", packId])).toMatchObject({ exitCode: 0 });
    expect(existsSync(dirname(directory))).toBe(false);
  }, TIMEOUT_MS);
});
