import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { asOrdinaryUser, aurora, canBeOrdinaryUser, scratch } from "../support/aurora.ts";

const manifest = (id: string, more = "") =>
  `schema_version: "aurora-manifest-v1"\npack:\n  id: ${id}\n  name: ${id}\n  version: "1.0.0"\n${more}`;
const json = (id: string) =>
  JSON.stringify({ schema_version: "aurora-manifest-v1", pack: { id, name: id, version: "2.0.0" } });

function tree(files: Record<string, string>) {
  const directory = scratch();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(directory.path, name, ".."), { recursive: true });
    writeFileSync(join(directory.path, name), content);
  }
  return directory;
}

test("packs are found at any place, and told whether they parse", async () => {
  using place = tree({
    "b/manifest.json": json("bee"),
    "a/deep/er/manifest.yml": manifest("ay"),
    "c/manifest.yaml": "pack: [",
    "d/manifest.yaml": manifest("dee", "  autoscan: { manifest_preference: [json] }\n"),
    "d/manifest.json": json("dee"),
    "d/inner/manifest.yaml": manifest("inner"),
    "node_modules/x/manifest.yaml": manifest("x"),
    ".git/x/manifest.yaml": manifest("x"),
    "e/README.md": "",
  });
  symlinkSync("../a", join(place.path, "e/link"));
  symlinkSync("..", join(place.path, "e/circle"));
  const row = (path: string, pack_id: string | null, version: string | null, file: string) => ({
    path: join(place.path, path),
    pack_id,
    version,
    manifest: file,
    ok: pack_id !== null,
  });
  const { stdout, stderr, exitCode } = await aurora(["scan", "--json"], { cwd: place.path });
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(JSON.parse(stdout)).toEqual([
    row("a/deep/er", "ay", "1.0.0", "manifest.yml"),
    row("b", "bee", "2.0.0", "manifest.json"),
    row("c", null, null, "manifest.yaml"),
    row("d", "dee", "2.0.0", "manifest.json"),
  ]);
});

test("what is stored in the home is no find", async () => {
  using place = tree({ "a/manifest.yaml": manifest("ay"), "home/store/x/manifest.yaml": manifest("x") });
  const { stdout } = await aurora(["scan", place.path, "--home", join(place.path, "home")]);
  expect(stdout).toBe(`PACK  VERSION  MANIFEST\nay    1.0.0    ${place.path}/a/manifest.yaml\n`);
});

test("people get a table, and the next thing to type where a pack is wrong", async () => {
  using place = tree({ "a/manifest.yaml": manifest("ay"), "longer/manifest.yaml": "" });
  expect(await aurora(["scan", place.path])).toEqual({
    stdout: `PACK       VERSION  MANIFEST
ay         1.0.0    ${place.path}/a/manifest.yaml
(invalid)           ${place.path}/longer/manifest.yaml
hint: aurora check PATH says what is wrong with a pack
`,
    stderr: "",
    exitCode: 0,
  });
});

test("a directory that is a pack itself is found; one without packs is no error", async () => {
  using place = tree({ "a/manifest.yaml": manifest("ay"), "b/x": "" });
  const { stdout } = await aurora(["scan", join(place.path, "a"), "--json"]);
  expect(JSON.parse(stdout)).toMatchObject([{ pack_id: "ay" }]);
  expect(await aurora(["scan", join(place.path, "b")])).toEqual({
    stdout: "no packs found\n",
    stderr: "",
    exitCode: 0,
  });
  expect((await aurora(["scan", join(place.path, "b"), "--json"])).stdout).toBe("[]\n");
});

test("a directory that is not there, or is a file", async () => {
  using place = tree({ file: "" });
  const at = (path: string) => aurora(["scan", path], { cwd: place.path });
  expect(await at("nowhere")).toEqual({
    stdout: "",
    stderr: 'error[not-found]: cannot scan "nowhere": there is no such directory\n',
    exitCode: 5,
  });
  expect(await at("file")).toEqual({
    stdout: "",
    stderr: 'error[not-a-directory]: cannot scan "file": it is not a directory\n',
    exitCode: 1,
  });
});

test("what lies deeper than 16 levels is warned about", async () => {
  const levels = (count: number) => Array.from({ length: count }, () => "d").join("/");
  using place = tree({
    [`${levels(16)}/manifest.yaml`]: manifest("in"),
    [`x/${levels(16)}/manifest.yaml`]: manifest("out"),
  });
  const { stdout, stderr } = await aurora(["scan", "--json"], { cwd: place.path });
  expect(JSON.parse(stdout)).toMatchObject([{ pack_id: "in" }]);
  expect(stderr).toContain(`"${place.path}/x/${levels(15)}" is not looked into: it is 16 levels deep`);
});

test.skipIf(!canBeOrdinaryUser)("a directory that may not be read is warned about", async () => {
  using place = tree({ "a/manifest.yaml": manifest("ay"), "b/manifest.yaml": manifest("bee") });
  chmodSync(place.path, 0o755);
  chmodSync(join(place.path, "b"), 0o000);
  const { stdout, stderr, exitCode } = await aurora(["scan", "--json"], {
    cwd: place.path,
    prefix: asOrdinaryUser,
  });
  expect(JSON.parse(stdout)).toMatchObject([{ pack_id: "ay" }]);
  expect({ stderr, exitCode }).toEqual({
    stderr: `warning: cannot look into "${place.path}/b": permission denied\n`,
    exitCode: 0,
  });
});
