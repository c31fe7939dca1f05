/** What a pack's manifest mounts, as its confined scripts see it: from outside, as root and as an ordinary user. */
import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";

import { eventually } from "../support/eventually.ts";
import { userHome, users } from "../support/user-home.ts";

const TIMEOUT_MS = 180_000;
const quiet = { install: null, start: null, stop: null, health: null };
const shared = `  data: { share: [{ path: /both, with: [taker], mode: rw }, { path: /look, with: [taker] }] }`;
const mounted = `  mounts:
    - { path: /both, type: data, pack: giver, source: /both, mode: rw }
    - { path: /look, type: data, pack: giver, source: /look }`;

/** A giver and a taker that agree; `as` runs a shell script as one of them, where `aurora` is this program. */
async function agreed(user: (typeof users)[number]) {
  const t = userHome(user);
  const as = (packId: string, script: string) =>
    t.run(["exec", packId, "--", "sh", "-c", script.replaceAll("aurora ", '"$AURORA_BIN" ')]);
  t.write({ id: "giver", ...quiet, manifest: shared });
  t.write({ id: "taker", ...quiet, manifest: mounted });
  await t.run(["install", "giver", "--approve"]);
  await as("giver", "mkdir -p data/both/in data/look data/own; for d in both both/in look own; do echo $d > data/$d/file; done");
  expect(await t.run(["install", "taker", "--approve"])).toMatchObject({ exitCode: 0 });
  return { ...t, as };
}

describe.each(users)("as %s", (user) => {
  test("its own tree, memory and a directory of the machine", async () => {
    await using t = userHome(user);
    writeFileSync(`${t.shared}/file`, "of the machine\n");
    chmodSync(`${t.shared}/file`, 0o644);
    t.write({
      id: "app",
      ...quiet,
      files: { hello: "hello\n" },
      manifest: `  mounts:
    - { path: /cache, type: memory, size: 1MiB }
    - { path: /pack, type: pack }
    - { path: /machine, type: host, source: "${t.shared}", mode: rw }
    - { path: /fixed, type: host, source: "${t.shared}" }`,
    });
    expect(await t.run(["install", "app", "--approve"])).toMatchObject({ exitCode: 0 });
    const run = (script: string) =>
      t.run(["exec", "app", "--", "sh", "-c", script.replaceAll("aurora ", '"$AURORA_BIN" ')]);
    expect(
      await run(`set -e
aurora vfs cat app /pack/hello
aurora vfs cat app /fixed/file
echo cached | aurora vfs write app /cache/a
aurora vfs cat app /cache/a
echo new | aurora vfs write app /machine/new`),
    ).toEqual({ stdout: "hello\nof the machine\ncached\n", stderr: "", exitCode: 0 });
    expect(readFileSync(`${t.shared}/new`, "utf8")).toBe("new\n");
    expect(await run("echo x | aurora vfs write app /pack/x")).toMatchObject({ exitCode: 9 });
    expect(await run("echo x | aurora vfs write app /fixed/x")).toMatchObject({ exitCode: 9 });
    // The operator's commands see the same.
    expect(await t.run(["vfs", "cat", "app", "/machine/new"])).toEqual({ stdout: "new\n", stderr: "", exitCode: 0 });
    expect(await t.run(["vfs", "cp", "app", "/pack/hello", "/cache/hello"])).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    expect(await t.run(["vfs", "cat", "app", "/cache/hello"])).toEqual({ stdout: "hello\n", stderr: "", exitCode: 0 });
  }, TIMEOUT_MS);

  test("a part of another pack's data, which both then use, and the operator too", async () => {
    await using t = await agreed(user);
    expect(
      await t.as(
        "taker",
        `set -e
aurora vfs cat taker /look/file
aurora vfs cat taker /both/in/file
echo taker | aurora vfs append taker /both/in/file
echo made | aurora vfs write taker /both/made/deep
echo taker | aurora vfs write taker /both/file
echo plain > "$AURORA_HOME/data/giver/both/plain"`,
      ),
    ).toEqual({ stdout: "look\nboth/in\n", stderr: "", exitCode: 0 });
    expect(await t.as("giver", "cd data/both; cat in/file made/deep file plain; for f in in/file made/deep file plain; do echo giver >> $f; done; echo more > made/more")).toEqual({
      stdout: "both/in\ntaker\nmade\ntaker\nplain\n",
      stderr: "",
      exitCode: 0,
    });
    expect(await t.as("taker", "cd $AURORA_HOME/data/giver/both; echo taker >> made/more; cat made/more file")).toEqual({
      stdout: "more\ntaker\ntaker\ngiver\n",
      stderr: "",
      exitCode: 0,
    });
    expect(await t.run(["vfs", "cp", "taker", "/both/file", "/both/operator/copy"])).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    expect(await t.run(["vfs", "cp", "taker", "/both/file", "/mine"])).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    for (const [packId, file] of [["giver", "data/both/operator/copy"], ["taker", "$AURORA_HOME/data/giver/both/operator/copy"], ["taker", "data/mine"]] as const)
      expect(await t.as(packId, `echo more >> ${file}; touch "$(dirname ${file})/more"`)).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  }, TIMEOUT_MS);

  test("nothing beside it, whatever the script says, and nothing but reading where that was agreed", async () => {
    await using t = await agreed(user);
    const giver = "$AURORA_HOME/data/giver";
    for (const script of [
      "echo x | aurora vfs write taker /look/x",
      `echo x > ${giver}/look/x`,
      `cat ${giver}/own/file`,
      `ls ${giver}`,
      `AURORA_MOUNTS="[{\\"path\\":\\"/look\\",\\"directory\\":\\"${giver}/own\\"}]" aurora vfs cat taker /look/file`,
      "AURORA_MOUNTS=nonsense aurora vfs cat taker /look/file",
      "aurora vfs cat taker /look/../../own/file",
    ]) {
      const { stdout, exitCode } = await t.as("taker", script);
      expect({ script, stdout, failed: exitCode !== 0 }).toEqual({ script, stdout: "", failed: true });
    }
    expect(existsSync(`${t.home}/data/giver/look/x`)).toBe(false);
  }, TIMEOUT_MS);

  test("the access ends with the agreement, and a shared directory that is a link grants nothing", async () => {
    await using t = await agreed(user);
    expect(await t.as("taker", "aurora vfs cat taker /both/file")).toMatchObject({ stdout: "both\n" });
    // Somebody who has kept the way: only where packs are users of their own it is taken from him while he runs.
    const waits = `while [ ! -e data/go ]; do sleep 0.02; done; cat $AURORA_HOME/data/giver/both/in/file > data/got 2>&1; touch data/done`;
    await t.run(["exec", "taker", "--background", "--", "sh", "-c", waits]);
    t.write({ id: "giver", ...quiet, version: "2.0.0", manifest: shared.replace("{ path: /both, with: [taker], mode: rw }, ", "") });
    expect(await t.run(["install", "giver", "--approve"])).toMatchObject({ exitCode: 0 });
    expect(await t.as("taker", "aurora vfs cat taker /both/file; aurora vfs cat taker /look/file; cat $AURORA_HOME/data/giver/both/file")).toMatchObject({
      stdout: "look\n",
      stderr: expect.stringMatching(/the pack "giver" does not share "\/both" with "taker"[\s\S]*(Permission denied|No such file)/),
      exitCode: 1,
    });
    await t.run(["vfs", "write", "taker", "/go"]);
    await eventually("the look of the one who waits", () => existsSync(`${t.home}/data/taker/done`) || undefined);
    if (user === "root") expect(readFileSync(`${t.home}/data/taker/got`, "utf8")).toContain("Permission denied");
    // What it has made there is the giver's to use all the same.
    t.write({ id: "giver", ...quiet, version: "3.0.0", manifest: shared });
    expect(await t.run(["install", "giver", "--approve"])).toMatchObject({ exitCode: 0 });
    expect(await t.as("taker", "aurora vfs cat taker /both/in/file")).toMatchObject({ stdout: "both/in\n", exitCode: 0 });
    await t.as("giver", "mv data/both data/was; ln -s own data/both");
    expect(await t.as("taker", "aurora vfs cat taker /both/file")).toMatchObject({
      stdout: "",
      stderr: expect.stringContaining('the pack "giver" has no directory "/both"'),
      exitCode: 9,
    });
  }, TIMEOUT_MS);
});
