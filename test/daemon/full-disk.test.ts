import { expect, test } from "bun:test";
import { rmSync } from "node:fs";

import { scratch } from "../support/aurora.ts";
import { serviceHome, simplePack } from "./service-home.ts";

// Only root may mount a small file system.
test.skipIf(process.getuid?.() !== 0)(
  "a service is stopped on a full disk too, and it is said that this could not be written down (needs root)",
  async () => {
    using directory = scratch();
    const small = `${directory.path}/small`;
    const mount = `mkdir ${small} && mount -t tmpfs -o size=48m tmpfs ${small}`;
    expect(Bun.spawnSync(["sh", "-c", mount]).exitCode).toBe(0);
    try {
      await using t = serviceHome({ parent: small });
      t.write(simplePack({ health: "exit 0" }));
      await t.run(["install", "app"]);
      await t.prints(/up/);
      Bun.spawnSync(["sh", "-c", `cat /dev/zero > ${small}/other`]);
      const hint = "hint: free some space and run the command again";
      expect(await t.run(["env", "set", "app", "A=1"])).toEqual({
        stdout: "",
        stderr: `error[no-space]: cannot write "DIR/home/run/lock": no space left on the device\n${hint}\n`,
        exitCode: 1,
      });
      expect(await t.run(["health", "app"])).toMatchObject({
        stdout: expect.stringMatching(/^app {2}healthy/),
        stderr:
          "warning: how healthy they are cannot be noted: cannot write the registry: no space left on the device\n",
        exitCode: 0,
      });
      expect(await t.run(["stop", "app"])).toMatchObject({
        stdout: "",
        stderr: expect.stringMatching(
          new RegExp(
            `^error\\[no-space\\]: "app" does not run any more, but that cannot be written down\n {2}cannot write "DIR/home/run/lock": no space left on the device\n${hint}: the next daemon would start it\n$`,
          ),
        ),
        exitCode: 1,
      });
      expect(t.processesOf()).toEqual([]);
      rmSync(`${small}/other`);
      expect(await t.run(["stop", "app"])).toMatchObject({ exitCode: 0 });
      expect(await t.status()).toMatchObject({ state: "stopped" });
    } finally {
      Bun.spawnSync(["umount", "-l", small]);
    }
  },
);

test.skipIf(process.getuid?.() !== 0)(
  "it is stopped where the kernel has made the disk read-only, too (needs root)",
  async () => {
    await using t = serviceHome();
    t.write(simplePack());
    await t.run(["install", "app"]);
    const mount = `mount --bind ${t.home} ${t.home} && mount -o remount,bind,ro ${t.home}`;
    expect(Bun.spawnSync(["sh", "-c", mount]).exitCode).toBe(0);
    try {
      expect(await t.run(["stop", "app"])).toEqual({
        stdout: "",
        stderr: `error[home-unusable]: "app" does not run any more, but that cannot be written down
  cannot use the home "DIR/home": the file system is read-only
hint: mount the home's file system for writing and run the command again: the next daemon would start it
`,
        exitCode: 1,
      });
      expect(t.processesOf()).toEqual([]);
    } finally {
      Bun.spawnSync(["umount", "-l", t.home]);
    }
    expect(await t.run(["stop", "app"])).toMatchObject({ exitCode: 0 });
    expect(await t.status()).toMatchObject({ state: "stopped" });
  },
);
