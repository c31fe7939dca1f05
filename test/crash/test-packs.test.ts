/** The packs that the crash test works with. */
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

import { writeTestPacks } from "../../scripts/crash/test-packs.ts";
import { scratch } from "../support/aurora.ts";

test.skipIf(process.platform !== "linux")(
  "a start does not end before what it leaves running can be known by its environment",
  async () => {
    using directory = scratch();
    const pack = `${writeTestPacks(`${directory.path}/packs`)}/beta`;
    mkdirSync(`${pack}/data`);
    // A machine so busy that the process is not there yet: it becomes itself when the test says so.
    const tools = `${directory.path}/tools`;
    mkdirSync(tools);
    writeFileSync(
      `${tools}/sleep`,
      `#!/bin/sh\nread -r _ < ${directory.path}/gate\nPATH=/usr/bin:/bin exec sleep "$@"\n`,
    );
    chmodSync(`${tools}/sleep`, 0o755);
    Bun.spawnSync(["mkfifo", `${directory.path}/gate`]);
    const env = { PATH: `${tools}:/usr/bin:/bin`, MARK: "this start" };
    const run = (script: string) =>
      Bun.spawn([`${pack}/${script}.sh`], { cwd: pack, env, stdio: ["ignore", "ignore", "ignore"] });

    const start = run("start");
    // A start that does not wait has ended by then, and left something that is not itself yet.
    for (let looks = 0; looks < 50 && start.exitCode === null; looks++) await Bun.sleep(5);
    if (start.exitCode === null) await Bun.spawn(["sh", "-c", `echo > ${directory.path}/gate`]).exited;
    expect(await start.exited).toBe(0);
    const [pid] = readFileSync(`${pack}/data/pid`, "utf8").split(" ");
    expect(readFileSync(`/proc/${pid}/cmdline`, "latin1")).toBe("sleep\x00600\x00");
    expect(readFileSync(`/proc/${pid}/environ`, "latin1")).toContain("MARK=this start\0");
    expect(await run("health").exited).toBe(0);
    expect(await run("stop").exited).toBe(0);
  },
);
