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
