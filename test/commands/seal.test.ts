import { expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";

import { tarDigest } from "../store/fixture.ts";
import { asOrdinaryUser, aurora, canBeOrdinaryUser, scratch } from "../support/aurora.ts";

const SUM = Bun.CryptoHasher.hash("sha256", "core\n", "hex");
const SCRIPT_SUM = Bun.CryptoHasher.hash("sha256", "#!/bin/sh\n", "hex");

const yaml = (core: string, script: string) => `# Ours
schema_version: "aurora-manifest-v1"
pack:
  id: demo          # short
  name: "Demo"
  version: "1.2.3"
  artifacts:
    - path: "core"  # what matters
      sha256: ${core}
    - path: bin/run
${script}`;
const unsealed = yaml('""', "");
const sealed = yaml(`"${SUM}"`, `      sha256: "${SCRIPT_SUM}"\n`);

function createPack(directory: string, manifest = unsealed, name = "manifest.yaml"): string {
  const pack = `${directory}/demo`;
  mkdirSync(`${pack}/bin`, { recursive: true });
  writeFileSync(`${pack}/core`, "core\n");
  writeFileSync(`${pack}/bin/run`, "#!/bin/sh\n");
  writeFileSync(`${pack}/${name}`, manifest);
  return pack;
}

test("records the checksums and nothing else, then has nothing to do", async () => {
  using directory = scratch();
  const pack = createPack(directory.path);
  const first = await aurora(["seal", pack]);
  const digest = tarDigest(pack);
  expect(first).toEqual({
    stdout: `${SUM}  core\n${SCRIPT_SUM}  bin/run\ndemo: sealed 2 of 2 artifacts\n${digest}\n`,
    stderr: "",
    exitCode: 0,
  });
  expect(readFileSync(`${pack}/manifest.yaml`, "utf8")).toBe(sealed);
  const before = statSync(`${pack}/manifest.yaml`);
  expect(await aurora(["seal", pack])).toEqual({
    stdout: `demo is sealed: 2 artifacts\n${digest}\n`,
    stderr: "",
    exitCode: 0,
  });
  expect(statSync(`${pack}/manifest.yaml`)).toEqual(before);
  expect(readdirSync(pack).toSorted()).toEqual(["bin", "core", "manifest.yaml"]);
});

test("--json", async () => {
  using directory = scratch();
  const pack = createPack(directory.path, yaml(`"${SUM}"`, ""));
  const { stdout, stderr, exitCode } = await aurora(["seal", "--json", pack]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(stdout).toBe(
    `${JSON.stringify({
      pack_id: "demo",
      digest: tarDigest(pack),
      artifacts: [
        { path: "core", sha256: SUM, changed: false },
        { path: "bin/run", sha256: SCRIPT_SUM, changed: true },
      ],
    })}\n`,
  );
});

test("JSON manifests keep their layout", async () => {
  using directory = scratch();
  const text = (sum: string) =>
    `{\n\t"schema_version": "aurora-manifest-v1",\n\t"pack": { "id": "demo", "name": "Demo", "version": "1.2.3",\n\t\t"artifacts": [ {"path": "core"${sum}} ] } }`;
  const pack = createPack(directory.path, text(""), "manifest.json");
  expect((await aurora(["seal", pack])).exitCode).toBe(0);
  expect(readFileSync(`${pack}/manifest.json`, "utf8")).toBe(text(`, "sha256": "${SUM}"`));
});

test("--check writes nothing, and exits 7 until the pack is sealed", async () => {
  using directory = scratch();
  const pack = createPack(directory.path, yaml(`"${"0".repeat(64)}"`, ""));
  const file = `${pack}/manifest.yaml`;
  const { stdout, stderr, exitCode } = await aurora(["seal", "--check", pack]);
  expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 7 });
  expect(stderr.split("\n").filter((line) => !/^ *\d* \|/.test(line))).toEqual([
    `error[checksum-mismatch]: "${file}" is not sealed: 2 of 2 checksums are not those of the files`,
    '  "core" has another checksum',
    `  --> ${file}:9:15`,
    '  "bin/run" is not sealed',
    `   --> ${file}:10:7`,
    `hint: aurora seal ${pack}`,
    "",
  ]);
  expect(readFileSync(file, "utf8")).toBe(yaml(`"${"0".repeat(64)}"`, ""));
  await aurora(["seal", pack]);
  expect(await aurora(["seal", "--check", pack])).toMatchObject({ stderr: "", exitCode: 0 });
});

test("a sealed pack is staged without a warning", async () => {
  using directory = scratch();
  const pack = createPack(directory.path);
  const { stdout } = await aurora(["seal", "--json", pack]);
  const { digest } = JSON.parse(stdout) as { digest: string };
  const staged = await aurora(["stage", "--json", pack], { home: `${directory.path}/home` });
  expect(staged).toMatchObject({ stderr: "", exitCode: 0 });
  expect(JSON.parse(staged.stdout)).toMatchObject({ digest });
});

test("keeps mode and owner, and a symlink stays one", async () => {
  using directory = scratch();
  const pack = createPack(directory.path, unsealed, "base.yaml");
  symlinkSync("base.yaml", `${pack}/manifest.yaml`);
  chmodSync(`${pack}/base.yaml`, 0o664);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(`${pack}/base.yaml`, 1234, 1235);
  expect((await aurora(["seal", pack])).exitCode).toBe(0);
  expect(lstatSync(`${pack}/manifest.yaml`).isSymbolicLink()).toBe(true);
  const { mode, uid, gid } = lstatSync(`${pack}/base.yaml`);
  expect(mode & 0o7777).toBe(0o664);
  if (isRoot) expect({ uid, gid }).toEqual({ uid: 1234, gid: 1235 });
  expect(readFileSync(`${pack}/base.yaml`, "utf8")).toBe(sealed);
});

test("artifacts that are not there are all named", async () => {
  using directory = scratch();
  const pack = createPack(
    directory.path,
    yaml('""', "    - path: gone\n    - path: ignored\n    - path: bin\n    - path: manifest.yaml\n"),
  );
  writeFileSync(`${pack}/ignored`, "");
  writeFileSync(`${pack}/.auroraignore`, "ignored\n");
  const { stderr, exitCode } = await aurora(["seal", "--json", pack]);
  expect(exitCode).toBe(7);
  const { error } = JSON.parse(stderr) as {
    error: { code: string; diagnostics: { message: string; line: number }[] };
  };
  expect(error.code).toBe("pack-invalid");
  expect(error.diagnostics.map(({ message, line }) => `${line}: ${message}`)).toEqual([
    '11: "gone" is not in the pack',
    '12: "ignored" is not in the pack',
    '13: "bin" is no regular file',
    '14: "manifest.yaml" cannot be an artifact: it would hold its own checksum',
  ]);
});

test("a pack without artifacts has nothing to seal", async () => {
  using directory = scratch();
  const pack = createPack(directory.path, unsealed.slice(0, unsealed.indexOf("  artifacts:")));
  expect(await aurora(["seal", pack])).toEqual({
    stdout: `demo has no artifacts to seal\n${tarDigest(pack)}\n`,
    stderr: "",
    exitCode: 0,
  });
});

test.skipIf(!canBeOrdinaryUser)("a manifest that this user may not write to is refused", async () => {
  using directory = scratch();
  chmodSync(directory.path, 0o755);
  const pack = createPack(directory.path);
  chmodSync(`${pack}/manifest.yaml`, 0o444);
  expect(await aurora(["seal", pack], { home: "/nonexistent", prefix: asOrdinaryUser })).toEqual({
    stdout: "",
    stderr: `error[io]: cannot write "${pack}/manifest.yaml": permission denied\nhint: seal it as the user who owns the pack\n`,
    exitCode: 1,
  });
  expect(readFileSync(`${pack}/manifest.yaml`, "utf8")).toBe(unsealed);
});
