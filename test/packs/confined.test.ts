/** Packs are confined by what was approved: from outside, as root and as an ordinary user. */
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";

import { lacking, onLesserKernel } from "../support/lesser-kernel.ts";
import { userHome, users } from "../support/user-home.ts";

const REFUSED = /Permission denied|Read-only file system/;
const TIMEOUT_MS = 180_000;
/** A pack that only prepares something. */
const quiet = { start: null, stop: null, health: null };

/** Two that nobody listens on now. */
function freeLowPorts(): number[] {
  const free: number[] = [];
  for (let port = 1023; free.length < 2; port--)
    try {
      Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop();
      free.push(port);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "EADDRINUSE") throw thrown;
    }
  return free;
}

describe.each(users)("as %s", (user) => {
  test("every script may write its data, logs and scratch, and neither elsewhere nor read the home's state", async () => {
    await using t = userHome(user);
    const probe = (name: string) => `
touch data/by-${name} logs/by-${name} "$AURORA_TMP_DIR/by-${name}"
mktemp > /dev/null
! touch '${t.shared}/by-${name}' 2>> data/refused
! cat "$AURORA_HOME/state.db" > /dev/null 2>> data/refused
! ls "$AURORA_HOME/data/other" > /dev/null 2>> data/refused
! ls "$AURORA_HOME/store" > /dev/null 2>> data/refused`;
    t.write({ id: "other", ...quiet });
    t.write({
      id: "app",
      install: `[ "$1" = --install ] || exit 0${probe("install")}`,
      start: `${probe("start")}\nsleep 300 &\necho $! > data/pid`,
      stop: `kill "$(cat data/pid)"${probe("stop")}`,
      health: `kill -0 "$(cat data/pid)"${probe("health")}`,
    });
    await t.run(["install", "other"]);
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
    expect(await t.run(["exec", "app", "--", "sh", "-c", `set -eu${probe("exec")}`])).toMatchObject({ exitCode: 0 });
    expect(await t.run(["stop", "app"])).toEqual({ stdout: "app is stopped\n", stderr: "", exitCode: 0 });
    const names = ["exec", "health", "install", "start", "stop"];
    expect(names.filter((name) => !existsSync(`${t.home}/data/app/by-${name}`))).toEqual([]);
    expect(names.filter((name) => existsSync(`${t.shared}/by-${name}`))).toEqual([]);
    const refused = readFileSync(`${t.home}/data/app/refused`, "utf8").trimEnd().split("\n");
    expect(refused).toHaveLength(4 * names.length);
    expect(refused.filter((line) => !REFUSED.test(line))).toEqual([]);
  }, TIMEOUT_MS);

  test("what it leaves running and what runs in the background is confined too", async () => {
    await using t = userHome(user);
    const late = (name: string) => `while [ ! -e data/go ]; do sleep 0.02; done; touch '${t.shared}/${name}' || echo $? > data/${name}`;
    t.write({ id: "app", start: `(${late("service")}) > /dev/null 2>&1 &`, stop: null, health: null });
    await t.run(["install", "app"]);
    expect(await t.run(["exec", "app", "--background", "--", "sh", "-c", late("background")])).toMatchObject({ exitCode: 0 });
    expect(await t.run(["exec", "app", "--", "touch", "data/go"])).toMatchObject({ exitCode: 0 });
    for (const name of ["service", "background"]) {
      while (!existsSync(`${t.home}/data/app/${name}`)) await Bun.sleep(10);
      expect(existsSync(`${t.shared}/${name}`)).toBe(false);
    }
  }, TIMEOUT_MS);

  test("no sockets, and those that were approved", async () => {
    await using t = userHome(user);
    using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
    const { port } = server;
    const files = {
      "get.ts": `const socket = await Bun.connect({ hostname: "127.0.0.1", port: ${port}, socket: { data() {} } }); socket.end(); console.log("connected")`,
    };
    t.write({ id: "app", ...quiet, files });
    const command = ["exec", "app", "--", "./get.ts"];
    await t.run(["install", "app"]);
    expect(await t.run(command)).toMatchObject({ stdout: "", exitCode: 1 });
    t.write({
      id: "app",
      ...quiet,
      version: "1.1.0",
      files,
      manifest: `  permissions: { net: { connect: [${port}] } }`,
    });
    expect(await t.run(["install", "app", "--approve"])).toMatchObject({ exitCode: 0 });
    expect(await t.run(command)).toMatchObject({ stdout: "connected\n", exitCode: 0 });
  }, TIMEOUT_MS);

  test("an upgrade that asks for more needs an approval, of a pack that asks for none too", async () => {
    await using t = userHome(user);
    const install = `[ "$1" = --install ] || exit 0\necho "$AURORA_PACK_VERSION" > '${t.shared}/note'`;
    t.write({ id: "app", ...quiet });
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
    const write = (version: string, permissions: string) =>
      t.write({ id: "app", ...quiet, version, install, manifest: `  permissions: { ${permissions} }` });
    write("2.0.0", `write: ["${t.shared}"]`);
    expect(await t.run(["install", "app"])).toEqual({
      stdout: "",
      stderr: expect.stringMatching(
        /^error\[approval-required\]: this plan needs an operator's approval\n {2}plan sha256:[0-9a-f]{64}\nhint: /,
      ),
      exitCode: 6,
    });
    expect(existsSync(`${t.shared}/note`)).toBe(false);
    const { plan_digest, approval_required, permissions } = (await t.json(["plan", "app"])) as {
      plan_digest: string;
      approval_required: boolean;
      permissions: { grows: string[] }[];
    };
    expect({ approval_required, grows: permissions[0]?.grows }).toEqual({ approval_required: true, grows: [`write DIR/shared`] });
    expect(await t.run(["install", "app", `--approve=${plan_digest}`])).toMatchObject({ exitCode: 0 });
    expect(readFileSync(`${t.shared}/note`, "utf8")).toBe("2.0.0\n");
    // The same again, and less than before, needs none.
    write("2.1.0", `write: ["${t.shared}"]`);
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
    write("2.2.0", `read: ["${t.shared}"]`);
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 4 });
    expect(readFileSync(`${t.shared}/note`, "utf8")).toBe("2.1.0\n");
    expect(await t.json(["why", "app"])).toMatchObject({ denied: ["DIR/shared/note"] });
  }, TIMEOUT_MS);

  test("a dry run reads what is approved and writes only its copy", async () => {
    await using t = userHome(user);
    writeFileSync(`${t.shared}/config`, "value\n");
    chmodSync(`${t.shared}/config`, 0o644);
    t.write({
      id: "app",
      ...quiet,
      install: `cat '${t.shared}/config'\n[ "$1" = --install ] || ! touch '${t.shared}/touched' 2> /dev/null\ntouch data/done`,
      manifest: `  permissions: { write: ["${t.shared}"] }`,
    });
    expect(await t.run(["dry-run", "app"])).toMatchObject({ stdout: expect.stringContaining("config: Permission denied"), exitCode: 1 });
    expect(await t.run(["install", "app", "--approve"])).toMatchObject({ exitCode: 0 });
    expect(await t.run(["dry-run", "app"])).toMatchObject({ stdout: expect.stringContaining("value\n"), exitCode: 0 });
    expect(existsSync(`${t.shared}/touched`)).toBe(false);
  }, TIMEOUT_MS);

  test("--allow-all is approved, recorded and shown, and ends with the next upgrade", async () => {
    await using t = userHome(user);
    const install = `[ "$1" = --install ] || exit 0\necho "$AURORA_PACK_VERSION" > '${t.shared}/note'`;
    t.write({ id: "app", install });
    expect(await t.run(["install", "app", "--allow-all"])).toMatchObject({ exitCode: 6 });
    const digests = await Promise.all(
      [["plan", "app"], ["plan", "app", "--allow-all"]].map(async (argv) => (await t.json(argv)) as { plan_digest: string }),
    );
    expect(digests[0]?.plan_digest).not.toBe(digests[1]?.plan_digest);
    expect((await t.run(["plan", "app", "--allow-all"])).stdout).toContain(`Permissions:
  app: everything, unconfined (--allow-all)
Confinement:
  app: none, by --allow-all
`);
    expect(await t.run(["install", "app", "--allow-all", `--approve=${digests[1]?.plan_digest}`])).toMatchObject({ exitCode: 0 });
    expect(readFileSync(`${t.shared}/note`, "utf8")).toBe("1.0.0\n");
    expect(await t.json(["status", "app"])).toMatchObject([{ confinement: { state: "allow-all" } }]);
    expect(await t.run(["exec", "app", "--", "touch", `${t.shared}/by-exec`])).toMatchObject({ exitCode: 0 });
    expect(await t.run(["ensure", "app"])).toMatchObject({ stdout: expect.stringContaining("nothing changes"), exitCode: 0 });
    t.write({ id: "app", version: "1.1.0" });
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
    expect(await t.json(["status", "app"])).toMatchObject([{ confinement: { state: "enforced" } }]);
    // What comes back with a rollback has to be approved again.
    expect(await t.run(["rollback", "app"])).toMatchObject({ exitCode: 6 });
    expect(await t.run(["rollback", "app", "--approve"])).toMatchObject({ exitCode: 0 });
    expect(await t.json(["status", "app"])).toMatchObject([{ confinement: { state: "allow-all" } }]);
    // The same content, confined or not, is a change.
    t.write({ id: "plain", ...quiet });
    await t.run(["install", "plain"]);
    expect(await t.json(["plan", "plain", "--allow-all"])).toMatchObject({ changed: true, actions: [{ action: "replace" }] });
  }, TIMEOUT_MS);

  test("a script reaches its own pack through its channel, and nobody else's", async () => {
    await using t = userHome(user);
    const A = '"$AURORA_BIN"';
    t.write({ id: "other", ...quiet, install: `${A} ns register other --meta '{"secret":1}'` });
    t.write({
      id: "app",
      install: `
${A} ns register app --meta '{"by":"'"$1"'"}'
${A} env set app COLOUR=blue TOKEN=1
${A} env unset app TOKEN
${A} env list app --show-values
${A} ns get app
echo hello | ${A} vfs write app /notes/a.txt
${A} vfs cat app /notes/a.txt
${A} vfs ls app /notes > /dev/null
${A} logs app > /dev/null`,
    });
    const rehearsal = await t.run(["dry-run", "app"]);
    expect(rehearsal).toMatchObject({ exitCode: 0 });
    expect(rehearsal.stdout).toContain("COLOUR=blue\n");
    expect(rehearsal.stdout).toContain("  + env:COLOUR\n  + ns:app\n");
    expect(rehearsal.stdout).toContain("  + data/notes/a.txt\n");
    expect(await t.run(["ns", "get", "app"])).toMatchObject({ exitCode: 5 });

    expect(await t.run(["install", "app", "other"])).toMatchObject({ exitCode: 0 });
    expect(await t.json(["ns", "get", "app"])).toMatchObject({ meta: { by: "--install" } });
    expect(await t.run(["env", "list", "app", "--show-values"])).toMatchObject({ stdout: "COLOUR=blue\n" });
    const exec = (script: string) => t.run(["exec", "app", "--", "sh", "-c", script]);
    for (const command of ["ns get other", "ns register other", "ns unregister other", "env list other", "env set other A=1", "vfs ls other", "vfs write other /x", "logs other"])
      expect(await exec(`${A} ${command} < /dev/null`), command).toEqual({
        stdout: "",
        stderr: `error[denied]: cannot use "other": a confined script has to do with its own pack only\nhint: its own is "app"\n`,
        exitCode: 9,
      });
    for (const command of ["list", "status", "ns watch other", "stop app", "install other", "gc", "history app", "env set app A=1 --home /tmp"])
      expect((await exec(`${A} ${command}`)).exitCode, command).not.toBe(0);
    // The name of the pack is not in the request: what it says of itself changes nothing.
    const forged = `AURORA_PACK_ID=other ${A} ns register other --meta '{"forged":true}'`;
    expect(await exec(forged)).toMatchObject({ exitCode: 0 });
    expect(await t.json(["ns", "get", "other"])).toMatchObject({ meta: { secret: 1 } });
    expect(await t.json(["ns", "get", "app"])).toMatchObject({ meta: { forged: true } });
  }, TIMEOUT_MS);

  test("many calls at once, beside a flood, inside a transaction", async () => {
    await using t = userHome(user);
    t.write({
      id: "app",
      ...quiet,
      install: `[ "$1" = --install ] || exit 0
(while :; do echo rubbish; done > "$AURORA_CHANNEL/requests") &
flood=$!
printf 'half a line' > "$AURORA_CHANNEL/requests"
for n in 1 2 3 4 5 6 7 8; do "$AURORA_BIN" ns register app --meta '{"n":'$n'}' & calls="\${calls:-} $!"; done
for call in $calls; do wait "$call"; done
kill "$flood"`,
    });
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
    expect(await t.json(["ns", "get", "app"])).toMatchObject({ revision: 8 });
  }, TIMEOUT_MS);

  test("traps in its logs and data: what Aurora writes and reads there is nobody else's", async () => {
    await using t = userHome(user);
    writeFileSync(`${t.shared}/victim`, "as it was");
    chmodSync(`${t.shared}/victim`, 0o666);
    const trap = (name: string) => `rm -f logs/${name}; ln -s '${t.shared}/victim' logs/${name}`;
    t.write({
      id: "app",
      install: `[ "$1" = --install ] || exit 0
${["health.log", "stop.log", "service.stdout.log", "service.index"].map(trap).join("\n")}
mkfifo logs/service.stderr.log data/fifo`,
    });
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
    expect(await t.run(["exec", "app", "--", "sh", "-c", trap("install.log")])).toMatchObject({ exitCode: 0 });
    expect((await t.run(["logs", "app"])).stdout).not.toContain("as it was");
    expect(await t.run(["dry-run", "app"])).toMatchObject({ exitCode: 0 });
    expect(await t.run(["stop", "app"])).toMatchObject({ exitCode: 0 });
    expect(readFileSync(`${t.shared}/victim`, "utf8")).toBe("as it was");
  }, TIMEOUT_MS);

  test("the trees of packs that it depends on may be read and run, of no others", async () => {
    await using t = userHome(user);
    const files = { "lib/word": "library" };
    t.write({ id: "base", ...quiet, files });
    t.write({ id: "stranger", ...quiet, files });
    t.write({ id: "app", ...quiet, manifest: '  dependencies: [{ pack_id: base, version_constraint: "*" }]' });
    expect(await t.run(["install", "base", "stranger", "app"])).toMatchObject({ exitCode: 0 });
    const cat = (id: string) => t.run(["exec", "app", "--", "sh", "-c", `cat "$AURORA_HOME/live/${id}/lib/word"`]);
    expect(await cat("base")).toMatchObject({ stdout: "library", exitCode: 0 });
    expect(await cat("stranger")).toMatchObject({ stdout: "", exitCode: 1 });
    expect(await t.run(["exec", "app", "--", "sh", "-c", `ls "$AURORA_HOME/live/base/data"`])).not.toMatchObject({ exitCode: 0 });
  }, TIMEOUT_MS);

  test(
    "what cannot be confined as promised does not start: exit 9, and 125 for exec",
    async () => {
      await using t = userHome(user);
      const place = `${t.shared}/place`;
      mkdirSync(place);
      t.write({ id: "app", manifest: `  permissions: { write: ["${place}"] }` });
      await t.run(["install", "app", "--approve"]);
      await t.run(["stop", "app"]);
      // What was approved is the directory, and not what a link in its place leads to.
      rmSync(place, { recursive: true });
      symlinkSync("/etc", place);
      const start = await t.run(["start", "app"]);
      expect(start).toMatchObject({ stdout: "", exitCode: 9 });
      expect(start.stderr).toMatch(
        /^error\[denied\]: cannot confine ".*start.sh": cannot grant "DIR\/shared\/place" without following links: /,
      );
      expect(await t.run(["exec", "app", "--", "touch", "data/x"])).toMatchObject({ stdout: "", exitCode: 125 });
      expect(readdirSync(`${t.home}/data/app`)).toEqual(["pid"]);
    },
    TIMEOUT_MS,
  );

  test("--explain says what a command might do, and what enforces it", async () => {
    await using t = userHome(user);
    t.write({ id: "app", ...quiet, manifest: `  permissions: { read: [/nowhere], net: { connect: [443] } }\n  limits: { open_files: 100 }` });
    await t.run(["install", "app", "--approve"]);
    const { stdout, stderr, exitCode } = await t.run(["exec", "--explain", "app", "--", "true"]);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    const lines = stdout.split("\n").map((line) => line.split(/ {2,}/));
    expect(lines).toContainEqual(["write DIR/home/data/app", "allowed", "landlock-files"]);
    expect(lines).toContainEqual(["connect to TCP port 443 of any host", "allowed", "landlock-ports"]);
    expect(lines).toContainEqual(["UDP", "denied", "seccomp"]);
    expect(lines).toContainEqual(["more than 100 open files in a process", "denied", "limits"]);
    expect(stdout).toEndWith("/nowhere does not exist, and grants nothing\n");
    const json = await t.run(["exec", "--json", "--explain", "app", "--", "true"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ pack_id: "app", command: ["true"], absent: ["/nowhere"] });
  }, TIMEOUT_MS);

  test("without Landlock: exit 9 where it is required, 125 for exec; else it runs and says so", async () => {
    await using t = userHome(user);
    t.write({ id: "strict", ...quiet, manifest: "  permissions: { confinement: required }" });
    t.write({ id: "loose", ...quiet, install: `touch '${t.shared}/touched'` });
    const plain = (argv: readonly string[]) => t.run(argv, {}, onLesserKernel(lacking.landlock));
    const refusal = (what: string) =>
      `error[denied]: cannot install "${what}": it requires confinement, and landlock-files is not available: this kernel has no Landlock: it came with Linux 5.13\nhint: aurora doctor shows what this machine can enforce\n`;
    expect(await plain(["install", "strict"])).toEqual({ stdout: "", stderr: refusal("strict"), exitCode: 9 });
    expect(await plain(["install", "loose", "--require-confinement"])).toEqual({
      stdout: "",
      stderr: refusal("loose"),
      exitCode: 9,
    });
    expect(existsSync(`${t.shared}/touched`)).toBe(false);
    expect((await plain(["plan", "loose"])).stdout).toContain(
      "    without landlock-files: this kernel has no Landlock: it came with Linux 5.13\n",
    );
    expect(await plain(["doctor"])).toMatchObject({
      stdout: expect.stringContaining("packs run confined in part: landlock-files is missing"),
      exitCode: 1,
    });

    // Installed where it could be confined, and then the kernel is another.
    await t.run(["install", "strict"]);
    expect(await plain(["exec", "strict", "--", "true"])).toEqual({
      stdout: "",
      stderr:
        "error[exec-failed]: cannot confine: landlock-files is not available: this kernel has no Landlock: it came with Linux 5.13\nhint: aurora doctor shows what this machine can enforce\n",
      exitCode: 125,
    });
    expect(await plain(["install", "loose"])).toMatchObject({
      stderr: expect.stringContaining(
        'warning: "loose" is not wholly confined: landlock-files is not available: this kernel has no Landlock',
      ),
    });
  }, TIMEOUT_MS);
});

describe.skipIf(process.getuid?.() !== 0)("where Aurora is root's", () => {
  const owner = (path: string) => {
    const { uid, gid, mode } = lstatSync(path);
    return { uid, gid, mode: (mode & 0o7777).toString(8) };
  };

  test(
    "a pack has a user of its own, who owns what it writes, and whom nobody else's files are open to",
    async () => {
      await using t = userHome("root");
      const install = `id -u; id -g; ls "$AURORA_PACK_DIR" > /dev/null; touch data/mine; echo x > /dev/stdout`;
      t.write({ id: "app", ...quiet, install });
      t.write({ id: "other", ...quiet });
      expect(await t.run(["install", "app", "other"])).toMatchObject({ exitCode: 0 });
      const { uid } = lstatSync(`${t.home}/data/app/mine`);
      expect(uid).toBeGreaterThanOrEqual(1_900_000_000);
      expect(lstatSync(`${t.home}/data/other`).uid).not.toBe(uid);
      expect((await t.run(["logs", "app"])).stdout.match(/ install: (.*)/g)?.slice(-3)).toEqual([
        ` install: ${uid}`,
        ` install: ${uid}`,
        " install: x",
      ]);
      expect(owner(t.home)).toEqual({ uid: 0, gid: 0, mode: "711" });
      for (const name of ["data", "logs"]) {
        expect(owner(`${t.home}/${name}`)).toEqual({ uid: 0, gid: 0, mode: "711" });
        expect(owner(`${t.home}/${name}/app`)).toEqual({ uid, gid: uid, mode: "700" });
      }
      const digest = ((await t.json(["list"])) as { digest: string }[])[0]?.digest.slice("sha256:".length);
      expect(owner(`${t.home}/store/${digest}`)).toEqual({ uid: 0, gid: uid, mode: "550" });
      expect(await t.run(["verify"])).toMatchObject({ exitCode: 0 });
      expect(await t.run(["doctor"])).toMatchObject({ exitCode: 0 });
      // An upgrade keeps the user, and what root does in the data belongs to it.
      t.write({ id: "app", ...quiet, version: "1.1.0", install });
      await t.run(["install", "app"]);
      await t.run(["vfs", "mkdir", "app", "/by-root"]);
      expect(owner(`${t.home}/data/app/by-root`)).toMatchObject({ uid, gid: uid });
      expect(await t.run(["exec", "app", "--", "sh", "-c", "touch data/by-root/x; id -u"])).toEqual({
        stdout: `${uid}\n`,
        stderr: "",
        exitCode: 0,
      });
      expect(await t.run(["remove", "app", "--purge"])).toMatchObject({ exitCode: 0 });
    },
    TIMEOUT_MS,
  );

  test(
    "data of a home without such users is given to them, without following what lies in it; a restored copy too",
    async () => {
      await using t = userHome("root");
      t.write({ id: "app", ...quiet, manifest: "  data: { snapshot: true }" });
      chmodSync(t.path, 0o700);
      // As an older version left it: all of it root's.
      await t.run(["install", "app"]);
      expect(lstatSync(`${t.home}/data/app`).uid).toBe(0);
      chmodSync(t.path, 0o755);
      writeFileSync(`${t.shared}/victim`, "");
      mkdirSync(`${t.home}/data/app/deep/er`, { recursive: true });
      writeFileSync(`${t.home}/data/app/deep/er/file`, "");
      symlinkSync(`${t.shared}/victim`, `${t.home}/data/app/link`);
      symlinkSync(t.shared, `${t.home}/data/app/deep/link`);
      linkSync(`${t.shared}/victim`, `${t.home}/data/app/second-name`);
      expect(await t.run(["exec", "app", "--", "touch", "data/deep/er/new"])).toMatchObject({ exitCode: 0 });
      const { uid } = lstatSync(`${t.home}/data/app`);
      expect(uid).not.toBe(0);
      expect(lstatSync(`${t.home}/data/app/deep/er/file`).uid).toBe(uid);
      expect([t.shared, `${t.shared}/victim`].map((path) => lstatSync(path).uid)).toEqual([0, 0]);
      t.write({ id: "app", start: "exit 1", version: "1.1.0", manifest: "  data: { snapshot: true }" });
      expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 4 });
      expect(await t.run(["exec", "app", "--", "touch", "data/deep/er/again"])).toMatchObject({ exitCode: 0 });
    },
    TIMEOUT_MS,
  );

  test(
    "until the next start, the scripts are the user that the running service is",
    async () => {
      await using t = userHome("root");
      // No user of its own: the way to the home is closed to others, as to an older version none had one.
      chmodSync(t.path, 0o700);
      const health = 'id -u > data/by-health; kill -0 "$(cat data/pid)"';
      t.write({ id: "app", health, stop: 'id -u > data/by-stop; kill "$(cat data/pid)"' });
      await t.run(["install", "app"]);
      chmodSync(t.path, 0o755);
      const by = (name: string) => Number(readFileSync(`${t.home}/data/app/by-${name}`, "utf8"));
      expect(await t.run(["health", "app"])).toMatchObject({ exitCode: 0 });
      expect(by("health")).toBe(0);
      expect(await t.run(["stop", "app"])).toEqual({ stdout: "app is stopped\n", stderr: "", exitCode: 0 });
      expect(by("stop")).toBe(0);
      expect(await t.run(["start", "app"])).toMatchObject({ exitCode: 0 });
      expect(await t.run(["health", "app"])).toMatchObject({ exitCode: 0 });
      expect(by("health")).toBe(lstatSync(`${t.home}/data/app`).uid);
      expect(by("health")).not.toBe(0);
      expect(await t.run(["stop", "app"])).toEqual({ stdout: "app is stopped\n", stderr: "", exitCode: 0 });
    },
    TIMEOUT_MS,
  );

  test.each(["own", "root"])(
    "a port below 1024 that was approved can be listened on, and no other one: user %s",
    async (packUser) => {
      await using t = userHome("root");
      const [granted, other] = freeLowPorts();
      const files = {
        "listen.ts": `for (const port of [${granted}, ${other}])
  try { Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(); console.log("listens"); }
  catch (error) { console.log(error.code); }`,
      };
      const manifest = `  permissions: { user: ${packUser}, net: { listen: [${granted}] } }`;
      t.write({ id: "app", ...quiet, files, manifest });
      expect(await t.run(["install", "app", "--approve"])).toMatchObject({ exitCode: 0 });
      const command = 'grep CapEff /proc/self/status; "$AURORA_BIN" run listen.ts';
      expect(await t.run(["exec", "app", "--", "sh", "-c", command])).toMatchObject({
        // CAP_NET_BIND_SERVICE, and nothing else.
        stdout: "CapEff:\t0000000000000400\nlistens\nEACCES\n",
      });
    },
    TIMEOUT_MS,
  );

  test(
    "a pack that asks for root needs an approval, and is root without capabilities",
    async () => {
      await using t = userHome("root");
      t.write({ id: "app", ...quiet, install: "echo secret > data/own" });
      await t.run(["install", "app"]);
      expect(lstatSync(`${t.home}/data/app/own`).uid).not.toBe(0);
      const install = "cat data/own; echo secret > data/roots";
      t.write({ id: "app", ...quiet, version: "1.1.0", install, manifest: "  permissions: { user: root }" });
      expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 6 });
      expect((await t.run(["plan", "app"])).stdout).toContain(
        "  app: runs as root\n    new, and to be approved: run as root\n",
      );
      expect(await t.run(["install", "app", "--approve"])).toMatchObject({ exitCode: 0 });
      expect(
        await t.run(["exec", "app", "--", "sh", "-c", "id -u; grep CapEff /proc/self/status"]),
      ).toMatchObject({ stdout: "0\nCapEff:\t0000000000000000\n" });
      // What root writes unconfined is the pack's user's again afterwards, and so is what it wrote without capabilities.
      t.write({ id: "app", ...quiet, version: "1.1.1", install: "cat data/own; echo secret > data/unconfined" });
      expect(await t.run(["install", "app", "--approve", "--allow-all"])).toMatchObject({ exitCode: 0 });
      t.write({ id: "app", ...quiet, version: "1.2.0", install: "cat data/own data/roots data/unconfined" });
      expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
    },
    TIMEOUT_MS,
  );
});
