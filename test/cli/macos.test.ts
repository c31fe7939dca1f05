/** What holds on macOS, shown where that can be tried without one: see test/support/as-macos.ts. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { collect, scratch } from "../support/aurora.ts";
import { type TestPack, writePack } from "../support/test-pack.ts";

const TIMEOUT_MS = 180_000;
const root = join(import.meta.dir, "../..");
const quiet = { install: null, start: null, stop: null, health: null };
const reason = "it needs Linux";

describe.skipIf(process.platform !== "linux")("on macOS", () => {
  let place: ReturnType<typeof scratch>;
  beforeEach(() => {
    place = scratch();
    mkdirSync(join(place.path, "packs"));
  });
  afterEach(() => {
    // Nothing of Linux has even been looked for in the C library.
    const missing = join(place.path, "missing");
    expect(existsSync(missing) ? readFileSync(missing, "utf8") : "").toBe("");
    place[Symbol.dispose]();
  });
  const write = (pack: TestPack) => void writePack(join(place.path, "packs", pack.id), pack);
  const aurora = async (...argv: string[]) => {
    const preload = join(import.meta.dir, "../support/as-macos.ts");
    const child = Bun.spawn(
      [process.execPath, "--preload", preload, join(root, "src/main.ts"), "--no-daemon", ...argv],
      {
        cwd: place.path,
        env: {
          PATH: "/usr/bin:/bin",
          HOME: place.path,
          AURORA_HOME: join(place.path, "home"),
          AURORA_PACKS: join(place.path, "packs"),
          AS_MACOS_MISSING: join(place.path, "missing"),
        },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    return await collect(child as unknown as Bun.Subprocess<"ignore", "pipe", "pipe">);
  };
  const json = async (...argv: string[]): Promise<unknown> =>
    JSON.parse((await aurora("--json", ...argv)).stdout);

  test(
    "nothing confines, and plan, status, doctor and device say so",
    async () => {
      write({ id: "app", ...quiet });
      const none = { state: "none", user: null };
      const { confinement } = (await json("plan", "app")) as { confinement: { layers: object[] }[] };
      expect(confinement).toMatchObject([{ pack_id: "app", ...none }]);
      for (const layer of confinement[0]?.layers ?? [])
        expect(layer).toMatchObject({ enforced: false, reason });
      const warning = `warning: "app" is not wholly confined: landlock-files is not available: ${reason}\n`;
      expect(await aurora("install", "app")).toMatchObject({ exitCode: 0 });
      expect(await aurora("exec", "app", "--", "true")).toEqual({ stdout: "", stderr: warning, exitCode: 0 });
      expect(await json("doctor")).toMatchObject({
        ok: true,
        checks: expect.arrayContaining([
          expect.objectContaining({ name: "confinement", detail: "packs run unconfined" }),
          expect.objectContaining({ name: "seccomp", detail: `missing: ${reason}` }),
          expect.objectContaining({ name: "own-user", detail: `missing: ${reason}` }),
        ]),
      });
      const device = (await json("device")) as {
        os: string;
        confinement: { enforced: string[]; layers: object[] };
      };
      expect(device).toMatchObject({ os: "darwin", confinement: { enforced: [] } });
      for (const layer of device.confinement.layers)
        expect(layer).toMatchObject({ available: false, reason });
    },
    TIMEOUT_MS,
  );

  test(
    "a pack is checked, planned, installed, run, upgraded, rolled back and removed",
    async () => {
      const pack: TestPack = { id: "app", start: "echo started", stop: "echo stopped", health: "exit 0" };
      write(pack);
      expect(await aurora("version")).toMatchObject({
        stdout: expect.stringContaining("darwin"),
        exitCode: 0,
      });
      expect(await aurora("check", "app")).toMatchObject({ exitCode: 0 });
      expect(await aurora("install", "app", "--approve", "--allow-all")).toMatchObject({ exitCode: 0 });
      expect(await json("status", "app")).toMatchObject([
        { state: "running", health: "healthy", confinement: { state: "allow-all" } },
      ]);
      write({ ...pack, version: "2.0.0" });
      expect(await aurora("install", "app", "--approve")).toMatchObject({ exitCode: 0 });
      expect(await json("status", "app")).toMatchObject([
        { version: "2.0.0", confinement: { state: "none" } },
      ]);
      expect(await aurora("exec", "app", "--", "sh", "-c", "echo out; exit 3")).toEqual({
        stdout: "out\n",
        stderr: expect.stringContaining("not wholly confined"),
        exitCode: 3,
      });
      expect(await json("exec", "app", "--", "sh", "-c", "echo out > /dev/stdout; cat")).toMatchObject({
        rc: 0,
        stdout: "out\n",
      });
      expect(await aurora("vfs", "ls", "app")).toMatchObject({ exitCode: 0 });
      expect(await aurora("rollback", "app", "--approve")).toMatchObject({ exitCode: 0 });
      expect(await aurora("remove", "app", "--purge")).toMatchObject({ exitCode: 0 });
    },
    TIMEOUT_MS,
  );

  test(
    "a time limit ends the command and its group",
    async () => {
      write({ id: "app", ...quiet });
      await aurora("install", "app");
      const script = "sleep 300 & echo $!; trap '' TERM; sleep 300";
      let result = { stdout: "" };
      // On a busy machine the time may be over before the script begins.
      for (let seconds = 1; result.stdout === ""; seconds *= 2)
        result = (await json(
          "exec",
          "app",
          "--timeout",
          `${seconds}s`,
          "--",
          "sh",
          "-c",
          script,
        )) as typeof result;
      expect(result).toMatchObject({ timeout: true, rc: -1 });
      expect(existsSync(`/proc/${result.stdout.trim()}`)).toBe(false);
    },
    TIMEOUT_MS,
  );

  test(
    "what has to be confined does not run",
    async () => {
      const refused = {
        stdout: "",
        stderr: expect.stringContaining(
          `requires confinement, and landlock-files is not available: ${reason}`,
        ),
        exitCode: 9,
      };
      write({ id: "app", ...quiet, install: 'echo ran > "$HOME/ran"' });
      expect(await aurora("install", "app", "--require-confinement")).toMatchObject(refused);
      write({
        id: "strict",
        ...quiet,
        install: 'echo ran > "$HOME/ran"',
        manifest: "  permissions: { confinement: required }",
      });
      expect(await aurora("install", "strict", "--approve")).toMatchObject(refused);
      expect(existsSync(join(place.path, "ran"))).toBe(false);
      expect(await aurora("install", "app")).toMatchObject({ exitCode: 0 });
      expect(await aurora("exec", "--require-confinement", "app", "--", "true")).toMatchObject({
        exitCode: 125,
      });
    },
    TIMEOUT_MS,
  );
});
