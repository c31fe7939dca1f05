import { expect, test } from "bun:test";

import { auroraCommand } from "../support/aurora.ts";
import { testHome } from "../support/test-home.ts";

const talking =
  "echo starting; echo careful >&2; (while :; do sleep 0.05; [ -e data/speak ] && { cat data/speak; rm data/speak; }; done) & echo $! > data/pid";

test("what scripts and the service print, in order, with times and streams", async () => {
  await using t = testHome();
  t.write({ id: "app", install: 'echo "installing $1"', start: talking });
  await t.run(["install", "app"]);
  await t.run(["stop", "app"]);
  expect(await t.run(["logs", "app"])).toEqual({
    stdout: "TIME install: installing --install\nTIME service: starting\nTIME service! careful\n",
    stderr: "",
    exitCode: 0,
  });
  expect((await t.json(["logs", "app", "-n", "1"])).value).toEqual([
    { at: expect.stringMatching(/Z$/), pack_id: "app", source: "service", stream: "stderr", line: "careful" },
  ]);
  expect(await t.run(["logs", "app", "--since", "1h"])).toMatchObject({
    stdout: expect.stringContaining("careful"),
  });
  expect(await t.run(["logs", "app", "--since", "2999-01-01T00:00:00Z"])).toEqual({
    stdout: "",
    stderr: "",
    exitCode: 0,
  });
});

test("-f goes on with new lines until a signal ends it", async () => {
  await using t = testHome();
  t.write({ id: "app", start: talking });
  await t.run(["install", "app"]);
  const follower = Bun.spawn([...auroraCommand, "logs", "app", "-f", "-n", "1", "--home", t.home], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/" },
    stdout: "pipe",
  });
  let shown = "";
  let hasSpoken = false;
  for await (const chunk of follower.stdout) {
    shown += new TextDecoder().decode(chunk);
    if (shown.includes("careful") && !hasSpoken) {
      hasSpoken = true;
      await Bun.write(`${t.home}/data/app/speak.tmp`, "hello there\n");
      Bun.spawnSync(["mv", `${t.home}/data/app/speak.tmp`, `${t.home}/data/app/speak`]);
    }
    if (shown.includes("hello there")) follower.kill("SIGINT");
  }
  expect(shown.replaceAll(/\S+Z /g, "")).toBe("service! careful\nservice: hello there\n");
});

test("of several packs, or of all, in the order of time, each with its pack", async () => {
  await using t = testHome();
  const write = async (packId: string, lines: readonly [day: number, text: string][]) => {
    t.write({ id: packId, install: null });
    await t.run(["install", packId, "--no-start"]);
    const text = lines.map(([day, line]) => `2026-01-0${day}T00:00:00.000Z stdout ${line}\n`).join("");
    await Bun.write(`${t.home}/logs/${packId}/install.log`, text);
  };
  expect(await t.run(["logs"])).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  await write("a", [
    [1, "one"],
    [3, "three"],
  ]);
  // One that could be shown with others says whose it is, whether or not there is one.
  expect((await t.run(["logs"])).stdout).toBe("TIME a install: one\nTIME a install: three\n");
  await write("b", [[2, "two"]]);
  await write("c", [[4, "four"]]);
  const shown = async (...argv: string[]) => (await t.run(["logs", ...argv])).stdout.replaceAll("TIME ", "");
  expect(await shown()).toBe("a install: one\nb install: two\na install: three\nc install: four\n");
  expect(await shown("-n", "2")).toBe("a install: three\nc install: four\n");
  expect(await shown("-n", "0")).toBe("");
  expect(await shown("c", "b")).toBe("b install: two\nc install: four\n");
  expect(await shown("b")).toBe("install: two\n");
  const { value } = await t.json(["logs", "a", "--pack", "b"]);
  expect(value).toMatchObject([
    { pack_id: "a", line: "one" },
    { pack_id: "b", line: "two" },
    { pack_id: "a", line: "three" },
  ]);
  await t.run(["remove", "b"]);
  expect(await shown("-n", "3")).toBe("a install: one\na install: three\nc install: four\n");
  expect(await t.run(["logs", "a", "nobody"])).toMatchObject({ stdout: "", exitCode: 5 });
});

test("-f without a pack follows one that is installed later as well", async () => {
  await using t = testHome();
  t.write({ id: "app", install: "echo first" });
  t.write({ id: "later", install: "echo second" });
  await t.run(["install", "app", "--no-start"]);
  const follower = Bun.spawn([...auroraCommand, "logs", "-f", "--home", t.home], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/" },
    stdout: "pipe",
  });
  let shown = "";
  for await (const chunk of follower.stdout) {
    if (shown === "") await t.run(["install", "later", "--no-start"]);
    shown += new TextDecoder().decode(chunk);
    if (shown.includes("second")) follower.kill("SIGINT");
  }
  expect(shown.replaceAll(/\S+Z /g, "")).toBe("app install: first\nlater install: second\n");
});

test("a pack's own script sees its own without naming it", async () => {
  await using t = testHome();
  t.write({ id: "other", install: "echo other" });
  t.write({ id: "app", install: "echo own" });
  for (const id of ["other", "app"]) await t.run(["install", id, "--no-start"]);
  expect(await t.run(["exec", "app", "--", "sh", "-c", '"$AURORA_BIN" logs'])).toEqual({
    stdout: "TIME app install: own\n",
    stderr: "",
    exitCode: 0,
  });
});

test("what was put aside is shown before the newest, with its times, and --json has one document", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app", "--no-start"]);
  const directory = `${t.home}/logs/app`;
  const index = (day: number) => `{"at":"2026-01-0${day}T00:00:00.000Z","stdout":0,"stderr":0}\n`;
  await Bun.write(`${directory}/service.stdout.log.1`, "one\n");
  await Bun.write(`${directory}/service.index.1`, index(1));
  await Bun.write(`${directory}/service.stdout.log`, "two\nhalf");
  await Bun.write(`${directory}/service.stderr.log`, Buffer.from([0xff, 0x0a]));
  await Bun.write(`${directory}/service.index`, index(2));
  expect(await t.run(["logs", "app", "--since", "2026-01-01T00:00:00Z", "-n", "5"])).toEqual({
    stdout:
      "TIME service: one\nTIME service: two\nTIME service: half\nTIME service! \uFFFD\nTIME install: install --install\n",
    stderr: "",
    exitCode: 0,
  });
  const line = (day: number, stream: string, text: string) => ({
    at: `2026-01-0${day}T00:00:00.000Z`,
    pack_id: "app",
    source: "service",
    stream,
    line: text,
  });
  expect((await t.json(["logs", "app", "-n", "5"])).value).toEqual([
    line(1, "stdout", "one"),
    line(2, "stdout", "two"),
    line(2, "stdout", "half"),
    line(2, "stderr", "\uFFFD"),
    expect.objectContaining({ source: "install" }),
  ]);
});

test("wrong usage, and a pack that nobody knows", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app", "--no-start"]);
  expect(await t.run(["logs", "app", "-n", "many"])).toMatchObject({
    stderr: 'error[usage]: cannot read -n "many": it is not a number of lines\n',
    exitCode: 2,
  });
  for (const since of ["yesterday-ish", "Jan 5", "2026-01", "2026-02-30", "12:00"])
    expect(await t.run(["logs", "app", "--since", since])).toEqual({
      stdout: "",
      stderr: `error[usage]: cannot read --since "${since}": it is neither a duration nor a time\nhint: write 10m, 2026-01-31, 2026-01-31T12:00 or 2026-01-31T12:00:00Z\n`,
      exitCode: 2,
    });
  for (const since of [
    "0",
    "1h30m",
    "10m ago",
    "99999999d",
    "2026-01-31",
    "2026-01-31 12:00",
    "2026-01-31T12:00:00+02:00",
  ])
    expect(await t.run(["logs", "app", "--since", since])).toMatchObject({ stderr: "", exitCode: 0 });
  expect(await t.run(["logs", "nobody"])).toMatchObject({ stdout: "", exitCode: 5 });
});
