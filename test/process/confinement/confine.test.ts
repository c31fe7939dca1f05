import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { prepareConfinement } from "../../../src/process/confinement/confine.ts";
import { nothing, probeKernel } from "../../../src/process/confinement/kernel.ts";
import { type Policy } from "../../../src/process/confinement/policy.ts";
import { type Command } from "../../../src/process/confinement/start.ts";
import { scratch } from "../../support/aurora.ts";
import { confinedHome, makeHome, policyIn } from "./confined-home.ts";

const features = probeKernel();
const canConfine = features.launcher === null && features.landlock === null;
const isRoot = process.geteuid?.() === 0;
const env = { PATH: "/usr/bin:/bin" };

const place = confinedHome();
const home = place.path;
afterAll(() => place[Symbol.dispose]());

function start(policy: Policy, command: Partial<Command> & Pick<Command, "argv">, kernel = features) {
  const { launch } = prepareConfinement(policy, kernel, { required: true });
  if (launch === null) throw new Error("not confined");
  const file = command.argv[0] as string;
  const launched = launch({ file, cwd: join(home, "tree"), env, hasShellFallback: false, ...command });
  const child = Bun.spawn([launched.file, ...launched.argv.slice(1)], {
    env: launched.env,
    cwd: "/",
    stdio: ["ignore", "pipe", "pipe", ...launched.descriptors],
  });
  return { launched, child };
}

async function output(policy: Policy, command: Partial<Command> & Pick<Command, "argv">, kernel = features) {
  const { launched, child } = start(policy, command, kernel);
  using _ = launched;
  const [stdout, code] = [await child.stdout.text(), await child.exited];
  const failure = launched.failure();
  if (failure) throw failure;
  return { stdout, code, signal: child.signalCode };
}

const sh = (script: string) => ({ argv: ["/bin/sh", "-c", script] });

describe.skipIf(!canConfine)("a confined command", () => {
  test("runs from a home in shared memory, where all else stays closed", async () => {
    const inMemory = mkdtempSync("/dev/shm/aurora-test-");
    try {
      chmodSync(inMemory, 0o711);
      makeHome(inMemory);
      const script = `ls /dev/shm || echo "closed"; touch /dev/shm/aurora-left || echo "read-only"; echo "$PWD"`;
      const { stdout } = await output(policyIn(inMemory), { ...sh(script), cwd: join(inMemory, "tree") });
      expect(stdout).toBe(`closed\nread-only\n${inMemory}/tree\n`);
    } finally {
      rmSync(inMemory, { recursive: true });
    }
  });

  test("is the process that was spawned, and keeps exit codes and signals", async () => {
    const policy = { ...policyIn(home), processNamespace: false };
    const { launched, child } = start(policy, sh("echo $$; exit 42"));
    expect(Number(await child.stdout.text())).toBe(child.pid);
    expect(await child.exited).toBe(42);
    expect(launched.failure()).toBeUndefined();
    launched.dispose();
    expect(await output(policyIn(home), sh("kill -TERM $$"))).toMatchObject({ signal: "SIGTERM" });
    expect(await output(policyIn(home), sh("exit 125"))).toMatchObject({ code: 125 });
  });

  test("has its words, environment, directory, umask and nothing open but the standard streams", async () => {
    const argv = [
      "/bin/sh",
      "-c",
      'echo "$0|$1|$A|$PWD|$(umask)"; env | wc -l; set -- /proc/$$/fd/*; echo $#',
      "zero",
      "ü 1",
    ];
    const cwd = realpathSync(join(home, "data"));
    const { stdout } = await output(policyIn(home), { argv, cwd, env: { ...env, A: "é=1" } });
    // sh itself adds PWD to the environment, and has the directory open that it lists.
    expect(stdout.split("\n")).toEqual([`zero|ü 1|é=1|${cwd}|0027`, "3", "4", ""]);
  });

  test("begins with default signals, whatever Aurora ignores", async () => {
    const { stdout } = await output(
      policyIn(home),
      sh("grep -E 'Sig(Blk|Ign)|NoNewPrivs|Seccomp:|CapEff|CapBnd' /proc/self/status"),
    );
    const values = Object.fromEntries(
      stdout
        .trim()
        .split("\n")
        .map((line) => line.split(":\t")),
    );
    expect(values).toMatchObject({
      SigBlk: "0000000000000000",
      SigIgn: "0000000000000000",
      NoNewPrivs: "1",
      Seccomp: "2",
      CapEff: "0000000000000000",
    });
    if (isRoot) expect(values["CapBnd"]).toBe("0000000000000000");
  });

  test("writes where the policy says, and nowhere else", async () => {
    const script = `for d in data logs tmp; do echo x > ${home}/$d/new || exit 1; done; echo x > ${home}/tree/new`;
    const before = readdirSync(join(home, "tree"));
    expect((await output(policyIn(home), sh(`(${script}) 2>/dev/null`))).code).not.toBe(0);
    for (const name of ["data", "logs", "tmp"]) expect(readdirSync(join(home, name))).toContain("new");
    expect(readdirSync(join(home, "tree"))).toEqual(before);
  });

  test("may read and write single files that are granted", async () => {
    const [readable, writable] = [join(home, "readable"), join(home, "writable")];
    for (const file of [readable, writable]) writeFileSync(file, "content");
    const policy = policyIn(home, { read: [readable], write: [writable] });
    expect((await output(policy, sh(`cat ${readable} && echo x >> ${writable}`))).code).toBe(0);
    expect((await output(policy, sh(`(echo x >> ${readable}) 2>/dev/null`))).code).not.toBe(0);
  });

  test("runs a script without #! by sh where that is asked for", async () => {
    const file = join(home, "tree", "plain");
    writeFileSync(file, "echo by sh $1\n", { mode: 0o755 });
    const command = { argv: [file, "one"], hasShellFallback: true };
    expect((await output(policyIn(home), command)).stdout).toBe("by sh one\n");
    await expect(output(policyIn(home), { argv: [file] })).rejects.toThrow(/^cannot run ".*plain"/);
    rmSync(file);
  });

  test("that cannot be executed is an error in the words of an unconfined one", async () => {
    const broken = join(home, "tree", "broken");
    writeFileSync(broken, "#!/no/such/interpreter\n", { mode: 0o755 });
    await expect(output(policyIn(home), { argv: [broken] })).rejects.toMatchObject({
      code: "not-executable",
      message: `cannot run "${broken}": its interpreter does not exist`,
    });
    const other = join(home, "other-program");
    writeFileSync(other, "#!/bin/sh\n", { mode: 0o755 });
    await expect(output(policyIn(home), { argv: [other] })).rejects.toMatchObject({ code: "not-executable" });
    await expect(output(policyIn(home), { argv: ["/bin/true"], cwd: "/no/such" })).rejects.toMatchObject({
      code: "exec-failed",
      message: 'cannot run "/bin/true": cannot enter "/no/such": no such file or directory',
    });
    await expect(output(policyIn(home), { argv: ["/bin/true", "a\0b"] })).rejects.toMatchObject({
      code: "exec-failed",
    });
  });

  test("keeps the limits", async () => {
    const limits = { open_files: 64, file_size_bytes: 4096, cpu_seconds: 7 };
    const { stdout } = await output(policyIn(home, {}, limits), sh("cat /proc/self/limits"));
    const limit = (name: string) => new RegExp(`^${name} +(\\S+) +(\\S+)`, "m").exec(stdout)?.slice(1, 3);
    expect(limit("Max open files")).toEqual(["64", "64"]);
    expect(limit("Max file size")).toEqual(["4096", "4096"]);
    expect(limit("Max cpu time")).toEqual(["7", "8"]);
    expect(limit("Max core file size")).toEqual(["0", "0"]);
  });

  test("with --allow-all has its limits and nothing else", async () => {
    const policy = { ...policyIn(home, {}, { open_files: 64 }), unconfined: true };
    const { launch, layers } = prepareConfinement(policy, features, { required: false });
    expect(layers.filter(({ enforced }) => enforced).map(({ name }) => name)).toEqual(["limits"]);
    using launched = launch?.({
      file: "/bin/sh",
      argv: ["sh", "-c", `ulimit -n; echo x > ${home}/free`],
      cwd: "/",
      env,
      hasShellFallback: false,
    });
    const child = Bun.spawn([launched?.file ?? "", ...(launched?.argv.slice(1) ?? [])], {
      env: {},
      stdio: ["ignore", "pipe", "inherit", ...(launched?.descriptors ?? [])],
    });
    expect(await child.stdout.text()).toBe("64\n");
    expect(await child.exited).toBe(0);
  });

  test.skipIf(!isRoot)("runs as another user where root says so (needs root)", async () => {
    const policy = { ...policyIn(home), uid: 54_321, gid: 54_322 };
    const { stdout } = await output(policy, { ...sh("id -u; id -g; id -G"), cwd: "/" });
    expect(stdout).toBe("54321\n54322\n54322\n");
  });

  test.skipIf(isRoot)("cannot run as another user without root", () => {
    const policy = { ...policyIn(home), uid: 54_321 };
    expect(() => prepareConfinement(policy, features, { required: false })).toThrow(/only root can/);
  });
});

describe.skipIf(!canConfine)("a writable root that was made a link", () => {
  test("is refused, and nothing is started", async () => {
    const [data, target] = [join(home, "data"), join(home, "victim")];
    mkdirSync(target);
    renameSync(data, `${data}-before`);
    symlinkSync(target, data);
    try {
      const started = join(home, "logs", "started");
      await expect(output(policyIn(home), sh(`echo x > ${started}`))).rejects.toMatchObject({
        code: "denied",
        exitCode: 9,
        message: `cannot confine "/bin/sh": cannot grant "${data}" without following links: too many levels of symbolic links`,
      });
      expect(readdirSync(join(home, "logs"))).not.toContain("started");
    } finally {
      rmSync(data);
      renameSync(`${data}-before`, data);
    }
  });

  test("is fine on the way to the home, which the pack cannot change", async () => {
    using other = scratch();
    const link = join(other.path, "link");
    symlinkSync(home, link);
    expect((await output(policyIn(link), sh(`echo x > ${link}/data/by-link`))).code).toBe(0);
  });
});

describe("prepareConfinement", () => {
  test.skipIf(!isRoot || !canConfine)(
    "follows root's links on the way, and nobody else's (needs root)",
    () => {
      using other = scratch();
      const [target, own, foreign] = ["target", "own", "foreign"].map((name) => join(other.path, name));
      mkdirSync(join(target as string, "inside"), { recursive: true });
      symlinkSync(target as string, own as string);
      symlinkSync(target as string, foreign as string);
      lchownSync(foreign as string, 54_321, 54_321);
      const prepare = (path: string) =>
        prepareConfinement(policyIn(home, { write: [path] }), features, { required: true });
      expect(prepare(`${own}/inside`).absent).toEqual([]);
      expect(() => prepare(`${foreign}/inside`)).toThrow(
        `cannot grant "${foreign}": "${foreign}" is a link of another user's`,
      );
    },
  );

  test("grants nothing by way of links in a circle, and goes by .. as the kernel does", () => {
    using other = scratch();
    const at = (...names: string[]) => join(other.path, ...names);
    mkdirSync(at("a", "b", "c"), { recursive: true });
    symlinkSync("two", at("one"));
    symlinkSync("one", at("two"));
    symlinkSync("a/b", at("deep"));
    symlinkSync("../../deep/c", at("a", "b", "again"));
    const absentOf = (path: string) =>
      prepareConfinement(policyIn(home, { read: [path] }), features, { required: false }).absent;
    expect(absentOf(at("one", "x"))).toEqual([at("one", "x")]);
    expect(absentOf(`${at("a", "b", "again")}/.`)).toEqual([]);
    expect(absentOf(`${other.path}/deep/../b`)).toEqual([]);
    expect(absentOf(`${other.path}/deep/../deep`)).toEqual([`${other.path}/deep/../deep`]);
  });

  test("refuses where confinement is required and a layer is missing", () => {
    const kernel = { ...features, landlock: "this kernel has no Landlock", landlockAbi: 0 };
    expect(() => prepareConfinement(policyIn(home), kernel, { required: true })).toThrow(
      "cannot confine: landlock-files is not available: this kernel has no Landlock",
    );
    expect(() => prepareConfinement(policyIn(home), kernel, { required: false })).not.toThrow();
  });

  test("is not there on other systems, with the reason", () => {
    const { launch, layers } = prepareConfinement(policyIn(home), nothing(null, "it needs Linux"), {
      required: false,
    });
    expect(launch).toBeNull();
    expect(layers.every(({ enforced, reason }) => !enforced && reason === "it needs Linux")).toBe(true);
  });

  test.skipIf(!canConfine)("a layer that is promised and fails keeps the command from starting", async () => {
    const policy = policyIn(home, { write: [join(home, "gone")] });
    mkdirSync(join(home, "gone"));
    const { launch } = prepareConfinement(policy, features, { required: false });
    // Between the decision and the start.
    rmSync(join(home, "gone"), { recursive: true });
    const file = join(home, "logs", "was-started");
    using launched = launch?.({
      file: "/bin/touch",
      argv: ["touch", file],
      cwd: "/",
      env,
      hasShellFallback: false,
    });
    const child = Bun.spawn([launched?.file as string, file], {
      env: {},
      stdio: ["ignore", "ignore", "ignore", ...(launched?.descriptors ?? [])],
    });
    expect(await child.exited).toBe(125);
    expect(launched?.failure()).toMatchObject({ code: "denied" });
    expect(readdirSync(join(home, "logs"))).not.toContain("was-started");
  });

  test.skipIf(!canConfine)("refuses a home that lies in what every pack may read", () => {
    const policy = { ...policyIn(home), home: "/usr/share" };
    expect(() => prepareConfinement(policy, features, { required: false })).toThrow(
      'cannot confine: the home lies in "/usr", which every pack may read',
    );
  });

  test("names what does not exist", () => {
    const { absent } = prepareConfinement(
      policyIn(home, { read: ["/no/such"], run: ["no-such-program"] }),
      features,
      {
        required: false,
        searchPath: "/usr/bin",
      },
    );
    expect(absent).toEqual(canConfine ? ["/no/such", "no-such-program"] : []);
  });

  test.skipIf(!canConfine)("1,000 starts leave no descriptor behind", async () => {
    const count = () => readdirSync("/proc/self/fd").length;
    const confinement = prepareConfinement(policyIn(home), features, { required: true });
    const once = async () => {
      using launched = confinement.launch?.({
        file: "/bin/true",
        argv: ["true"],
        cwd: "/",
        env,
        hasShellFallback: false,
      });
      const child = Bun.spawn([launched?.file as string], {
        env: {},
        stdio: ["ignore", "ignore", "ignore", ...(launched?.descriptors ?? [])],
      });
      expect(await child.exited).toBe(0);
    };
    // From the third start on there is a network namespace for all, which stays open.
    for (let n = 0; n < 3; n++) await once();
    const before = count();
    for (let n = 0; n < 1000; n++) await once();
    // Of earlier tests the runtime may have closed some meanwhile.
    expect(count()).toBeLessThanOrEqual(before);
  });
});
