import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

import { AuroraError } from "../../src/errors.ts";
import { readManifest } from "../../src/manifest/read.ts";
import { scratch } from "../support/aurora.ts";

const good = join(import.meta.dir, "../fixtures/manifests/good");
const minimal = readFileSync(join(good, "minimal.yaml"), "utf8");
const named = (id: string, more = "") => minimal.replace("Minimal", id) + more;
const asJson = (id: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({
    schema_version: "aurora-manifest-v1",
    pack: { id: "minimal", name: id, version: "1.0.0", ...more },
  });
const preferring = (...formats: string[]) => `  autoscan: { manifest_preference: [${formats.join(", ")}] }\n`;

function refusal(directory: string): Pick<AuroraError, "code" | "message" | "hint"> {
  try {
    readManifest(directory, "pack");
  } catch (thrown) {
    if (!(thrown instanceof AuroraError)) throw thrown;
    return { code: thrown.code, message: thrown.message, hint: thrown.hint };
  }
  throw new Error("the manifest was taken");
}

describe("which manifest counts", () => {
  const nameIn = (files: Record<string, string>) => {
    using directory = scratch();
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory.path, name), text);
    const { manifest, warnings, file, format } = readManifest(directory.path, "pack");
    return { name: manifest.pack.name, file, format, warnings: warnings.map(({ message }) => message) };
  };
  const yaml = { file: "pack/manifest.yaml", format: "yaml" as const, warnings: [] };
  const yml = { file: "pack/manifest.yml", format: "yaml" as const, warnings: [] };
  const json = { file: "pack/manifest.json", format: "json" as const, warnings: [] };

  test("each alone", () => {
    expect(nameIn({ "manifest.yaml": named("a") })).toEqual({ name: "a", ...yaml });
    expect(nameIn({ "manifest.yml": named("b") })).toEqual({ name: "b", ...yml });
    expect(nameIn({ "manifest.json": asJson("c") })).toEqual({ name: "c", ...json });
  });

  test(".yaml wins over .yml over .json", () => {
    const all = { "manifest.yaml": named("a"), "manifest.yml": named("b"), "manifest.json": asJson("c") };
    expect(nameIn(all)).toEqual({ name: "a", ...yaml });
    expect(nameIn({ "manifest.yml": named("b"), "manifest.json": asJson("c") })).toEqual({
      name: "b",
      ...yml,
    });
  });

  test("the winner may prefer another, and a warning says so", () => {
    const files = { "manifest.yaml": named("a", preferring("json", "yaml")), "manifest.json": asJson("c") };
    const warnings = ['"manifest.json" is used: "manifest.yaml" prefers it'];
    expect(nameIn(files)).toEqual({ name: "c", ...json, warnings });
    expect(nameIn({ "manifest.yaml": named("a", preferring("yml")), "manifest.yml": named("b") })).toEqual({
      name: "b",
      ...yml,
      warnings: ['"manifest.yml" is used: "manifest.yaml" prefers it'],
    });
  });

  test("the preference of the one that is preferred does not count: there is no circle", () => {
    const files = {
      "manifest.yaml": named("a", preferring("json")),
      "manifest.json": asJson("c", { autoscan: { manifest_preference: ["yaml"] } }),
    };
    expect(nameIn(files).name).toBe("c");
  });

  test("what is preferred and not there is passed over", () => {
    expect(nameIn({ "manifest.yaml": named("a", preferring("json", "yml", "yaml")) })).toEqual({
      name: "a",
      ...yaml,
    });
    expect(nameIn({ "manifest.yaml": named("a", preferring("json")) })).toEqual({ name: "a", ...yaml });
  });

  test("yaml stands for .yml as well", () => {
    const files = { "manifest.yml": named("b", preferring("yaml", "json")), "manifest.json": asJson("c") };
    expect(nameIn(files)).toEqual({ name: "b", ...yml });
  });

  test("what was read before is not parsed again, but for what has changed meanwhile", () => {
    using directory = scratch();
    const winner = join(directory.path, "manifest.yaml");
    const preferred = join(directory.path, "manifest.json");
    writeFileSync(winner, named("a", preferring("json")));
    writeFileSync(preferred, asJson("c"));
    const seen = readManifest(directory.path, "pack");
    const again = readManifest(directory.path, "pack", seen);
    expect(again.manifest).toBe(seen.manifest);
    expect(again.warnings).toEqual(seen.warnings);
    writeFileSync(preferred, asJson("d"));
    expect(readManifest(directory.path, "pack", seen).manifest.pack.name).toBe("d");
    writeFileSync(winner, named("a"));
    expect(readManifest(directory.path, "pack", seen).manifest.pack.name).toBe("a");
    // The same bytes in another place are another manifest: what is said of it names its file.
    expect(readManifest(directory.path, "elsewhere", seen).file).toBe("elsewhere/manifest.yaml");
  });

  test("a winner that is wrong is an error, not a reason to take the next", () => {
    using directory = scratch();
    writeFileSync(join(directory.path, "manifest.yaml"), "pack: [");
    writeFileSync(join(directory.path, "manifest.json"), asJson("c"));
    expect(refusal(directory.path).code).toBe("manifest-syntax");
  });

  test("the bytes are those of the file", () => {
    using directory = readGoodPack();
    const { bytes } = readManifest(directory.path);
    expect(Buffer.from(bytes).toString()).toBe(minimal);
  });
});

function readGoodPack() {
  const directory = scratch();
  writeFileSync(join(directory.path, "manifest.yaml"), minimal);
  return directory;
}

describe("what is no manifest file", () => {
  test("none at all", () => {
    using directory = scratch();
    expect(refusal(directory.path)).toEqual({
      code: "manifest-missing",
      message: 'cannot find a manifest in "pack"',
      hint: "a pack has a manifest.yaml, manifest.yml, manifest.json; aurora init writes one",
    });
    expect(refusal(join(directory.path, "nowhere")).code).toBe("manifest-missing");
  });

  test("a directory", () => {
    using directory = scratch();
    mkdirSync(join(directory.path, "manifest.yaml"));
    expect(refusal(directory.path)).toMatchObject({
      code: "pack-invalid",
      message: 'cannot read the manifest "pack/manifest.yaml": it is a directory',
    });
  });

  test("a fifo, which nobody writes to", () => {
    using directory = scratch();
    execFileSync("mkfifo", [join(directory.path, "manifest.yaml")]);
    expect(refusal(directory.path)).toMatchObject({
      code: "pack-invalid",
      message: 'cannot read the manifest "pack/manifest.yaml": it is no regular file',
    });
  });

  test("a socket", async () => {
    using directory = scratch();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(directory.path, "manifest.yaml"), resolve));
    expect(refusal(directory.path)).toMatchObject({
      code: "pack-invalid",
      message: 'cannot read the manifest "pack/manifest.yaml": it is no regular file',
    });
    server.close();
  });

  test("a device, through a link", () => {
    using directory = scratch();
    symlinkSync("/dev/zero", join(directory.path, "manifest.yaml"));
    expect(refusal(directory.path)).toMatchObject({
      code: "pack-invalid",
      message: 'cannot read the manifest "pack/manifest.yaml": it is a symlink that leads out of the pack',
    });
  });

  test("100 MB, none of which are read", () => {
    using directory = scratch();
    const descriptor = openSync(join(directory.path, "manifest.yaml"), "w");
    ftruncateSync(descriptor, 100e6);
    closeSync(descriptor);
    expect(refusal(directory.path)).toMatchObject({
      code: "manifest-invalid",
      message: 'cannot read the manifest "pack/manifest.yaml": it is larger than 1024 KiB',
    });
  });

  test("a link that leads out, is broken, or goes round in a circle", () => {
    for (const [target, reason] of [
      ["../elsewhere.yaml", "it is a symlink that leads out of the pack"],
      ["nowhere", "it is a symlink that cannot be followed: no such file or directory"],
      ["manifest.yaml", "it is a symlink that cannot be followed: too many levels of symbolic links"],
    ] as const) {
      using directory = scratch();
      writeFileSync(join(directory.path, "elsewhere.yaml"), minimal);
      mkdirSync(join(directory.path, "pack"));
      symlinkSync(target, join(directory.path, "pack/manifest.yaml"));
      writeFileSync(join(directory.path, "pack/manifest.json"), asJson("c"));
      expect(refusal(join(directory.path, "pack"))).toMatchObject({
        code: "pack-invalid",
        message: `cannot read the manifest "pack/manifest.yaml": ${reason}`,
      });
    }
  });

  test("a link that stays inside is followed, and so is one to the pack itself", () => {
    using directory = scratch();
    mkdirSync(join(directory.path, "pack/conf"), { recursive: true });
    writeFileSync(join(directory.path, "pack/conf/m.yaml"), minimal);
    symlinkSync("conf/m.yaml", join(directory.path, "pack/manifest.yaml"));
    symlinkSync("pack", join(directory.path, "link"));
    expect(readManifest(join(directory.path, "link")).manifest.pack.id).toBe("minimal");
  });

  test.skipIf(process.getuid?.() === 0)("a file that may not be read", () => {
    using directory = scratch();
    writeFileSync(join(directory.path, "manifest.yaml"), minimal, { mode: 0o000 });
    expect(refusal(directory.path)).toMatchObject({
      code: "io",
      message: 'cannot read the manifest "pack/manifest.yaml": permission denied',
    });
  });
});
