import { expect, test } from "bun:test";
import { existsSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";

import { eventually } from "../support/eventually.ts";
import { testHome } from "../support/test-home.ts";

async function installed() {
  const t = testHome();
  t.write({ id: "app", files: { "lib/a": "content" } });
  await t.run(["install", "app", "--no-start"]);
  const [{ digest }] = (await t.json(["list"])).value as [{ digest: string }];
  const tree = `${t.home}/store/${digest.slice(7)}`;
  const sh = (script: string) => Bun.spawnSync(["sh", "-c", script], { cwd: tree });
  return { t, tree, sh, [Symbol.asyncDispose]: t[Symbol.asyncDispose] };
}

test("a sound home", async () => {
  await using h = await installed();
  expect(await h.t.run(["verify"])).toEqual({ stdout: "app 1.0.0  ok\n", stderr: "", exitCode: 0 });
  expect((await h.t.json(["verify", "app"])).value).toEqual({
    ok: true,
    packs: [
      { pack_id: "app", version: "1.0.0", digest: expect.stringMatching(/^sha256:/), ok: true, problems: [] },
    ],
    problems: [],
  });
});

test.each([
  [
    "a flipped bit that keeps size and time",
    "chmod u+w lib/a && touch -r lib/a /tmp/ref.$$ && printf 'Content' > lib/a && touch -r /tmp/ref.$$ lib/a && rm /tmp/ref.$$ && chmod 444 lib/a",
    /lib\/a|digest/,
  ],
  ["a file more", "chmod u+w lib && touch lib/b", /lib\/b/],
  ["a file less", "chmod u+w lib && rm -f lib/a", /lib\/a/],
  ["another mode", "chmod 755 lib/a", /lib\/a/],
])("%s in a stored tree is named, exit 7", async (_name, damage, problem) => {
  await using h = await installed();
  expect(h.sh(damage).exitCode).toBe(0);
  const { stdout, stderr, exitCode } = await h.t.run(["verify"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 7 });
  expect(stdout).toStartWith("app 1.0.0  damaged\n  ");
  expect(stdout).toMatch(problem);
});

test("links: missing, foreign, and of a pack that is not installed", async () => {
  await using h = await installed();
  const live = `${h.t.home}/live/app`;
  unlinkSync(live);
  expect(await h.t.run(["verify"])).toMatchObject({
    stdout: "app 1.0.0  damaged\n  the live link is missing\n",
    exitCode: 7,
  });
  symlinkSync("/etc", live);
  expect((await h.t.run(["verify"])).stdout).toContain(
    'the live link points to "/etc" instead of "../store/',
  );
  unlinkSync(live);
  symlinkSync(`../store/${h.tree.split("/").at(-1)}`, live);
  symlinkSync("../store/x", `${h.t.home}/live/stranger`);
  expect(await h.t.run(["verify"])).toMatchObject({
    stdout: "app 1.0.0  ok\nlive/stranger belongs to no installed pack\n",
    exitCode: 7,
  });
});

test("a tree that is gone, and a history that was touched", async () => {
  await using h = await installed();
  h.sh("chmod -R u+w .");
  rmSync(h.tree, { recursive: true });
  expect(await h.t.run(["verify"])).toMatchObject({
    stdout: expect.stringContaining("app 1.0.0  damaged\n"),
    exitCode: 7,
  });
  Bun.spawnSync([
    "python3",
    "-c",
    `import sqlite3; c = sqlite3.connect("${h.t.home}/state.db"); c.execute("update generations set outcome = 'x'"); c.commit()`,
  ]);
  expect((await h.t.run(["verify"])).stdout).toContain("history: generation 1 was changed");
  expect(await h.t.run(["history", "app"])).toMatchObject({
    stderr: 'warning: the history of "app" was tampered with: generation 1 was changed\n',
    exitCode: 0,
  });
});

test("an empty home, and a pack that is not there", async () => {
  await using t = testHome();
  expect(await t.run(["verify"])).toEqual({ stdout: "nothing is installed\n", stderr: "", exitCode: 0 });
  expect(await t.run(["verify", "nothing"])).toMatchObject({ stdout: "", exitCode: 5 });
});

test("a transaction in its middle is no damage", async () => {
  await using t = testHome();
  const waits = "echo > data/begun; while [ -e data/begun ] && [ ! -e data/go ]; do sleep 0.02; done";
  t.write({ id: "app" });
  t.write({ id: "app", name: "next", version: "2.0.0", start: waits, health: "exit 0" });
  await t.run(["install", "app", "--no-start"]);
  const upgrade = t.run(["install", "./packs/next", "--quiet"]);
  const data = `${t.home}/data/app`;
  await eventually("the start of the next version", () => existsSync(`${data}/begun`) || undefined);
  // The link is switched already, and the registry has the old version.
  expect(await t.run(["verify", "--wait", "0s"])).toEqual({
    stdout: "",
    stderr: `error[locked]: cannot verify: "install app" (pid PID, since TIME) is at work and did not end within N ms
hint: try again, or wait longer with --wait 60s
`,
    exitCode: 8,
  });
  const verified = t.run(["verify"]);
  writeFileSync(`${data}/go`, "");
  expect(await verified).toEqual({ stdout: "app 2.0.0  ok\n", stderr: "", exitCode: 0 });
  expect(await upgrade).toMatchObject({ exitCode: 0 });
});
