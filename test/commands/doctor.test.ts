import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";

import { asOrdinaryUser, aurora, auroraCommand, canBeOrdinaryUser, scratch } from "../support/aurora.ts";
import { eventually } from "../support/eventually.ts";
import { canBeLesser, lacking, onLesserKernel } from "../support/lesser-kernel.ts";
import { testHome } from "../support/test-home.ts";
import { writePack } from "../support/test-pack.ts";

type Check = { name: string; ok: boolean; detail: string; hint: string | null };

const names = async (t: ReturnType<typeof testHome>) => {
  const { value, exitCode } = await t.json(["doctor"]);
  const { ok, checks } = value as {
    ok: boolean;
    checks: Check[];
  };
  return { ok, exitCode, bad: checks.filter((check) => !check.ok), all: checks.map(({ name }) => name) };
};

test("a machine without a home is fine, and nothing is created", async () => {
  await using t = testHome();
  const { stdout, stderr, exitCode } = await t.run(["doctor"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(stdout).toMatch(/^ok   home +"DIR\/home" does not exist yet: it is created on first use$/m);
  expect(await Bun.file(t.home).exists()).toBe(false);
});

test("a sound home: every check is good, and no scratch is left", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  const { value } = await t.json(["device"]);
  const { layers } = (value as { confinement: { layers: { name: string; available: boolean }[] } })
    .confinement;
  const missingLayers = layers.filter(({ available }) => !available).map(({ name }) => name);
  expect(await names(t)).toEqual({
    ok: true,
    exitCode: 0,
    bad: [],
    all: [
      "machine",
      "shell",
      "confinement",
      ...missingLayers,
      "home",
      "locks",
      "space",
      "registry",
      "transactions",
    ],
  });
  expect(readdirSync(`${t.home}/tmp`)).toEqual([]);
});

test("what is wrong is named with a hint, exit 1", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app", "--confirm-within", "10m"]);
  chmodSync(t.home, 0o777);
  expect(await names(t)).toMatchObject({
    ok: false,
    exitCode: 1,
    bad: [
      {
        name: "home",
        detail: expect.stringContaining("may be written by others (mode 777)"),
        hint: expect.stringMatching(/^chmod go-w '/),
      },
      { name: "transactions", detail: "1 open: install unconfirmed" },
    ],
  });
  writeFileSync(`${t.home}/state.db`, "this is no database at all, but it is long enough to look at");
  expect((await names(t)).bad).toMatchObject([
    { name: "home" },
    { name: "registry", detail: expect.stringContaining("is damaged") },
  ]);
});

describe("doctor --selftest", () => {
  /** It takes about twenty seconds where nothing else is to be done. */
  const SELFTEST_MS = 300_000;
  type Selftest = { promises: string[]; not_tested: string[]; seconds: number };
  const tried = ["flush", "names", "killed", "disk full", "disk fails", "killed anywhere", "at once"];

  test.skipIf(!canBeOrdinaryUser)(
    "an ordinary user learns what the disk promises, and nothing but an empty home is left",
    async () => {
      using directory = scratch();
      chmodSync(directory.path, 0o777);
      const home = `${directory.path}/home`;
      const run = await aurora(["doctor", "--selftest", "--json"], { home, prefix: asOrdinaryUser });
      const { checks, selftest } = JSON.parse(run.stdout) as { checks: Check[]; selftest: Selftest };
      // Where the tests' scratch is in memory, that is what it has to say.
      expect(checks.filter(({ name, ok }) => name !== "file system" && !ok)).toEqual([]);
      expect(checks.map(({ name }) => name)).toEqual(expect.arrayContaining(["file system", ...tried]));
      expect(run.stderr).toBe("");
      expect(run.exitCode).toBe(checks.every(({ ok }) => ok) ? 0 : 1);
      for (const name of ["killed", "disk full", "disk fails", "killed anywhere"])
        expect(checks.find((check) => check.name === name)?.detail).toMatch(/ [1-9]\d* (steps|times)/);
      expect(selftest.promises[0]).toMatch(
        /^A command that is killed leaves the old state or the new one, whole: at all [1-9]\d* moments that were tried\.$/,
      );
      expect(selftest.not_tested[0]).toStartWith("a power cut: ");
      expect(Bun.spawnSync(["find", home, "-type", "f"]).stdout.toString()).toBe("");
      expect(readdirSync(`${home}/tmp`)).toEqual([]);
    },
    SELFTEST_MS,
  );

  test.skipIf(!existsSync("/dev/shm"))(
    "a home in memory: said in plain words, exit 1",
    async () => {
      await using t = testHome({ parent: "/dev/shm" });
      const { stdout, stderr, exitCode } = await t.run(["doctor", "--selftest"]);
      expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 1 });
      expect(stdout)
        .toContain(`bad  file system      tmpfs: it is kept in memory, and a power cut takes all of it
                      hint: put the home on a disk
`);
      expect(stdout).toContain(
        "  What was acknowledged may be lost in a power cut: see above.\nNot tried:\n  a power cut: ",
      );
    },
    SELFTEST_MS,
  );

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)(
    "stopped by %s in its middle: it ends, and leaves neither scratch nor a process",
    async (signal, code) => {
      await using t = testHome();
      const child = Bun.spawn([...auroraCommand, "doctor", "--selftest", "--home", t.home], {
        env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent" },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const slots = () =>
        existsSync(`${t.home}/tmp`) &&
        readdirSync(`${t.home}/tmp`).some((name) => existsSync(`${t.home}/tmp/${name}/slot0/home/state.db`));
      while (!slots()) await Bun.sleep(5);
      child.kill(signal);
      const [stdout, stderr, exitCode] = await Promise.all([
        child.stdout.text(),
        child.stderr.text(),
        child.exited,
      ]);
      expect({ stdout, stderr }).toEqual({
        stdout: "",
        stderr: "error[interrupted]: the self test was stopped\n",
      });
      expect(exitCode).toBe(code);
      expect(readdirSync(`${t.home}/tmp`)).toEqual([]);
      expect(Bun.spawnSync(["pgrep", "--full", t.home]).stdout.toString()).toBe("");
    },
    SELFTEST_MS,
  );

  const isRoot = process.getuid?.() === 0;
  test.skipIf(!isRoot || process.platform !== "linux")(
    "a full disk: a message, and nothing is left (needs root)",
    () => {
      using directory = scratch();
      const script = `mount -t tmpfs -o size=8m none "$0" && mkdir "$0/home" && "$@"; code=$?; ls -A "$0/home/tmp"; exit $code`;
      const argv = ["unshare", "--mount", "sh", "-c", script, directory.path, ...auroraCommand];
      const { stdout, stderr, exitCode } = Bun.spawnSync([
        ...argv,
        "doctor",
        "--selftest",
        "--home",
        `${directory.path}/home`,
      ]);
      expect({ stdout: stdout.toString(), exitCode }).toEqual({ stdout: "", exitCode: 1 });
      expect(
        stderr
          .toString()
          .replaceAll(directory.path, "DIR")
          .replace(/there are .*/, "there are N"),
      ).toBe(
        `error[no-space]: cannot run the self test: it needs 64.0 MiB of free space in "DIR/home/tmp", and there are N
hint: free some space and run the command again
`,
      );
    },
  );

  test("its steps crash nothing but a home of the self test", async () => {
    await using t = testHome();
    expect(await t.run(["selftest-step", "kill", "1", "recovery", "packs"])).toEqual({
      stdout: "",
      stderr: "error[usage]: this is a part of aurora doctor --selftest, and works only inside it\n",
      exitCode: 2,
    });
  });
});

test.skipIf(process.getuid?.() !== 0 || process.platform !== "linux")(
  "a home from which nothing can be executed: doctor says so, and so does a script (needs root)",
  () => {
    using directory = scratch();
    writePack(`${directory.path}/app`, { id: "app" });
    const script = `mkdir "$0/noexec" && mount -t tmpfs -o noexec none "$0/noexec" && mkdir -m 700 "$0/noexec/home" && cd "$0" && "$@"`;
    const run = (...argv: string[]) => {
      const home = ["--home", `${directory.path}/noexec/home`];
      const { stdout, stderr, exitCode } = Bun.spawnSync(
        ["unshare", "--mount", "sh", "-c", script, directory.path, ...auroraCommand, ...argv, ...home],
        { env: { PATH: Bun.env["PATH"] ?? "" } },
      );
      rmdirSync(`${directory.path}/noexec`);
      const shown = (text: Buffer) => text.toString().replaceAll(directory.path, "DIR");
      return { stdout: shown(stdout), stderr: shown(stderr), exitCode };
    };
    expect(run("dry-run", "./app")).toEqual({
      stdout: "",
      stderr: expect.stringMatching(
        /^error\[not-executable\]: cannot run "DIR\/noexec\/home\/tmp\/\S+\/pack\/install.sh": "DIR\/noexec" is mounted noexec\nhint: mount -o remount,exec DIR\/noexec\n$/,
      ),
      exitCode: 126,
    });
    expect(run("doctor")).toMatchObject({
      stdout: expect.stringMatching(
        /^bad {2}execute +"DIR\/noexec" is mounted noexec: no script of a pack can be run there\n +hint: mount -o remount,exec DIR\/noexec, or give --home DIR$/m,
      ),
      exitCode: 1,
    });
  },
);

describe
  .skipIf(!canBeLesser)
  .each([
    ...(process.getuid?.() === 0 ? [["root", [] as readonly string[]] as const] : []),
    ...(canBeOrdinaryUser ? [["an ordinary user", asOrdinaryUser] as const] : []),
  ])("what is missing, and why, for %s", (_user, prefix) => {
  test.each([
    ["landlock", "landlock-files", "this kernel has no Landlock: it came with Linux 5.13"],
    ["landlockInSandbox", "landlock-files", "a sandbox around Aurora forbids Landlock"],
    ["seccomp", "seccomp", "this kernel cannot filter system calls"],
    [
      "namespaces",
      "mount-namespace",
      "a container or a policy of this machine forbids it: cannot make mounts read-only: operation not permitted",
    ],
  ] as const)("%s: doctor and device say of %s: %s", async (what, layer, reason) => {
    const run = async (command: string) => {
      const options = { home: "/nonexistent", prefix: [...prefix, ...onLesserKernel(lacking[what])] };
      return JSON.parse((await aurora([command, "--json"], options)).stdout) as never;
    };
    const { checks } = (await run("doctor")) as { checks: Check[] };
    expect(checks.find(({ name }) => name === layer)).toMatchObject({ detail: `missing: ${reason}` });
    const { confinement } = (await run("device")) as { confinement: { layers: { name: string }[] } };
    expect(confinement.layers.find(({ name }) => name === layer)).toMatchObject({ available: false, reason });
  });
});

test("a transaction that somebody is at work on is no fault", async () => {
  await using t = testHome();
  const waits = "echo > data/begun; while [ -e data/begun ] && [ ! -e data/go ]; do sleep 0.02; done";
  t.write({ id: "app", start: waits, health: "exit 0" });
  const install = t.run(["install", "app", "--quiet"]);
  const data = `${t.home}/data/app`;
  await eventually("its start", () => existsSync(`${data}/begun`) || undefined);
  const { value } = await t.json(["doctor"]);
  expect((value as { checks: Check[] }).checks).toContainEqual({
    name: "transactions",
    ok: true,
    detail: "one is at work",
    hint: null,
  });
  writeFileSync(`${data}/go`, "");
  expect(await install).toMatchObject({ exitCode: 0 });
});
