/** What a supervised service uses: all of it, also where its first process is only the relay of a pid namespace. */
import { expect, test } from "bun:test";

import { type PackStatus } from "../../src/lifecycle/pack-status.ts";
import { eventually } from "../support/eventually.ts";
import { userHome, users } from "../support/user-home.ts";
import { simplePack } from "./service-home.ts";

const HELD_BYTES = 24 * 1024 ** 2;

test.each(users)(
  "memory of a service counts its whole tree, as %s",
  async (user) => {
    await using t = userHome(user);
    // tail keeps what it gets until there is no more.
    t.write(
      simplePack({ start: `(head -c ${HELD_BYTES} /dev/zero; exec sleep 300) | tail -c ${HELD_BYTES}` }),
    );
    expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
    const status = async () => ((await t.json(["status", "app"])) as [PackStatus])[0];
    const { memory_bytes: bytes } = await eventually("its memory", async () => {
      const now = await status();
      return (now.memory_bytes ?? 0) > HELD_BYTES ? now : undefined;
    });
    expect(bytes).toBeLessThan(3 * HELD_BYTES);
    const { stdout } = await t.run(["status", "app"]);
    expect(stdout.split("\n")[0]?.split(/ +/)).toEqual(
      "PACK VERSION GENERATION STATE HEALTH PID SINCE RESTARTS MEMORY CONFINEMENT".split(" "),
    );
    const metrics = await fetch("http://localhost/metrics", { unix: `${t.home}/run/aurora.sock` });
    const line = (await metrics.text())
      .split("\n")
      .find((each) => each.startsWith("aurora_pack_memory_bytes{"));
    expect(Number(line?.split(" ").at(-1))).toBeGreaterThan(HELD_BYTES);
    await t.run(["stop", "app"]);
    expect(await status()).toMatchObject({ state: "stopped", pid: null, memory_bytes: null });
  },
  180_000,
);
