/** What a daemon keeps of its program file in memory when nobody asks it for anything. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { daemonRuntime } from "../../src/daemon/daemon-runtime.ts";
import { auroraCommand } from "../support/aurora.ts";
import { eventually } from "../support/eventually.ts";
import { testHome } from "../support/test-home.ts";

test.skipIf(process.platform !== "linux")(
  "a daemon that has started gives back what it needed of its program file, and answers all the same",
  async () => {
    await using t = testHome();
    const daemon = Bun.spawn([...auroraCommand, "daemon", "--home", t.home, "--json"], {
      env: { PATH: process.env["PATH"] ?? "", ...daemonRuntime },
      stdio: ["ignore", "pipe", "ignore"],
    });
    // It says so when it is ready.
    await daemon.stdout.getReader().read();
    const atStartKb = fileKb(daemon.pid);
    await eventually("its rest", () => fileKb(daemon.pid) < atStartKb / 4 || undefined);
    expect((await t.json(["daemon", "status"])).value).toMatchObject({ running: true, pid: daemon.pid });
    daemon.kill();
    expect(await daemon.exited).toBe(0);
  },
);

/** Of files; what is the process's own is as it is. */
function fileKb(pid: number): number {
  return Number(/^RssFile:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
}
