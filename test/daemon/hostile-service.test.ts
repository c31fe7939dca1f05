/** A service that sets traps for the daemon, which may be root's, and one that speaks for another. */
import { describe, expect, test } from "bun:test";
import { existsSync, lstatSync, readFileSync, writeFileSync } from "node:fs";

import { type PackStatus } from "../../src/lifecycle/pack-status.ts";
import { eventually } from "../support/eventually.ts";
import { daemonPid, hasEnded } from "../support/test-home.ts";
import { userHome, users } from "../support/user-home.ts";
import { simplePack } from "./service-home.ts";

const TIMEOUT_MS = 180_000;

/** Says something to whoever supervises it, as sd_notify(3) does, and stays: of one who is gone nobody knows who it was. */
const SAY = `import os, socket, sys, time
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.argv[1].encode(), os.environ["NOTIFY_SOCKET"])
open(sys.argv[2], "w").close()
time.sleep(300)
`;
const waitFor = (name: string) => `while [ ! -e data/${name} ]; do sleep 0.02; done`;
const notifyPack = (id: string, start: string) => simplePack({ id, start, files: { "say.py": SAY } });

describe.each(users)("as %s", (user) => {
  test(
    "a message counts for the service that sent it, and for no other",
    async () => {
      await using t = userHome(user);
      for (const [id, start] of [
        [
          "liar",
          `python3 say.py READY=1 data/first &\n${waitFor("go")}\nexec python3 say.py "READY=1\nSTATUS=I am honest" data/said`,
        ],
        ["honest", `touch data/up\n${waitFor("go")}\nexec python3 say.py READY=1 data/said`],
      ] as const) {
        const pack = notifyPack(id, start);
        t.write({ ...pack, manifest: pack.manifest?.replace("type: simple", "type: notify") ?? "" });
      }
      expect(await t.run(["install", "liar"])).toMatchObject({ exitCode: 0 });
      let isInstalled = false;
      const installing = t.run(["install", "honest"]).finally(() => {
        isInstalled = true;
      });
      await eventually(
        "the start of the honest one",
        () => existsSync(`${t.home}/data/honest/up`) || undefined,
      );
      await t.run(["vfs", "write", "liar", "/go"]);
      await eventually("what the liar says", () => existsSync(`${t.home}/data/liar/said`) || undefined);
      // The daemon has answered others since, and so has read it.
      for (const _ of [1, 2]) expect(await t.run(["daemon", "status"])).toMatchObject({ exitCode: 0 });
      expect(isInstalled).toBe(false);
      await t.run(["vfs", "write", "honest", "/go"]);
      expect(await installing).toMatchObject({ exitCode: 0 });
      expect(((await t.json(["status", "honest"])) as PackStatus[])[0]).toMatchObject({ state: "running" });
    },
    TIMEOUT_MS,
  );

  test(
    "traps in the place of its channel, its logs and its data keep no daemon from starting, and are not followed",
    async () => {
      await using t = userHome(user);
      const victim = `${t.path}/victim`;
      writeFileSync(victim, "as it was", { mode: 0o600 });
      t.write(
        simplePack({
          start: `channel=$AURORA_CHANNEL
if [ ! -e data/trapped ]; then
  for name in service.stdout.log service.index; do rm -f logs/$name; ln -s '${victim}' logs/$name; done
  rm -f logs/service.stderr.log; mkfifo logs/service.stderr.log
  mkfifo data/fifo; ln -s '${victim}' data/link; ln -s / data/root
  rm -rf "$channel"; ln -s '${t.path}' "$channel"
  touch data/trapped
fi
${waitFor("go")}
"$AURORA_BIN" ns register app --meta '{"again":true}' && touch data/heard
exec sleep 300`,
        }),
      );
      t.write({ id: "other", install: null, start: null, stop: null, health: null });
      await t.run(["install", "app"]);
      await eventually("the traps", () => existsSync(`${t.home}/data/app/trapped`) || undefined);
      const first = daemonPid(t.home) as number;
      process.kill(first, "SIGKILL");
      await eventually("the end of the daemon", () => hasEnded(first) || undefined);
      expect(await t.run(["start", "app"])).toMatchObject({ exitCode: 0 });
      expect(((await t.json(["status", "app"])) as PackStatus[])[0]).toMatchObject({ state: "running" });
      // The next daemon has put a channel in the place of the trap.
      await t.run(["vfs", "write", "app", "/go"]);
      await eventually("an answer", () => existsSync(`${t.home}/data/app/heard`) || undefined);
      expect((await t.run(["logs", "app"])).stdout).not.toContain("as it was");
      for (const command of ["restart app", "stop app"])
        expect(await t.run(command.split(" ")), command).toMatchObject({ exitCode: 0 });
      expect(await t.run(["dry-run", "app"])).toMatchObject({ exitCode: 0 });
      expect(await t.run(["remove", "app", "--purge"])).toMatchObject({ exitCode: 0 });
      expect(readFileSync(victim, "utf8")).toBe("as it was");
      expect(lstatSync(victim).mode & 0o777).toBe(0o600);
      expect(existsSync(`${t.home}/data/app`)).toBe(false);
    },
    TIMEOUT_MS,
  );
});
