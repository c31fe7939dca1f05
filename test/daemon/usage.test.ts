/** What a supervised service uses: all of it, also where its first process is only the relay of a pid namespace. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { type PackStatus } from "../../src/lifecycle/pack-status.ts";
import { auroraCommand, collect } from "../support/aurora.ts";
import { eventually } from "../support/eventually.ts";
import { testHome } from "../support/test-home.ts";
import { userHome, users } from "../support/user-home.ts";
import { simplePack } from "./service-home.ts";

const HELD_BYTES = 24 * 1024 ** 2;

async function metricOf(home: string, name: string): Promise<number> {
  const metrics = await fetch("http://localhost/metrics", { unix: `${home}/run/aurora.sock` });
  const line = (await metrics.text()).split("\n").find((each) => each.startsWith(`${name}{`));
  return Number(line?.split(" ").at(-1));
}

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
    expect(await metricOf(t.home, "aurora_pack_memory_bytes")).toBeGreaterThan(HELD_BYTES);
    await t.run(["stop", "app"]);
    expect(await status()).toMatchObject({ state: "stopped", pid: null, memory_bytes: null });
  },
  180_000,
);

test("what a service has left to itself counts as well, and all that tell of memory tell the same", async () => {
  await using t = testHome();
  t.write(
    simplePack({
      start: `((head -c ${HELD_BYTES} /dev/zero; exec sleep 300) | tail -c ${HELD_BYTES} &); exec sleep 300`,
    }),
  );
  expect(await t.run(["install", "app"])).toMatchObject({ exitCode: 0 });
  const status = async () => ((await t.json(["status", "app"])).value as [PackStatus])[0];
  const { memory_bytes: bytes } = await eventually("its memory", async () => {
    const [first, second] = [await status(), await status()];
    const isAtRest = first.memory_bytes === second.memory_bytes;
    return isAtRest && (first.memory_bytes ?? 0) > HELD_BYTES ? first : undefined;
  });
  expect(await metricOf(t.home, "aurora_pack_memory_bytes")).toBe(bytes as number);
  const answer = await fetch("http://localhost/v1/packs/app", { unix: `${t.home}/run/aurora.sock` });
  expect(((await answer.json()) as PackStatus).memory_bytes).toBe(bytes);
});

test("a look at a confined service opens four files of /proc, and none of what the launcher has left above it", async () => {
  await using t = testHome();
  const ids = ["one", "two", "three"];
  for (const id of ids) t.write(simplePack({ id, start: "exec sleep 300" }));
  expect(await t.run(["install", ...ids, "--approve"])).toMatchObject({ exitCode: 0 });
  const [{ confinement }] = (await t.json(["status", "one"])).value as [PackStatus];
  const namespace = confinement?.layers.find(({ name }) => name === "process-namespace");
  if (Bun.which("strace") === null || namespace?.enforced !== true) return;
  // Where its launcher was slow the daemon has noted a service before there was more of it, and notes it again.
  const expected = [...ids.flatMap(() => ["stat", "statm", "task/N/children", "task/N/children"]), "stat"];
  await eventually("so few files", async () => {
    const opened = await processFilesOf(["status", "--home", t.home], `${t.packs}/trace`);
    return opened === undefined || Bun.deepEquals(opened.toSorted(), expected.toSorted()) || undefined;
  });
});

/** The files of other processes that a command opens, as `task/N/children`; undefined where nothing can be traced. */
async function processFilesOf(argv: string[], trace: string): Promise<string[] | undefined> {
  const traced = ["strace", "-f", "-o", trace, "-e", "trace=openat"];
  const child = Bun.spawn([...traced, ...auroraCommand, ...argv], { stdio: ["ignore", "pipe", "pipe"] });
  const { stderr, exitCode } = await collect(child);
  if (/ptrace/i.test(stderr)) return undefined;
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  const opened = readFileSync(trace, "latin1").matchAll(/"\/proc\/\d+\/([^"]*)"/g);
  return [...opened].map(([, name = ""]) => name.replace(/\d+/, "N"));
}
