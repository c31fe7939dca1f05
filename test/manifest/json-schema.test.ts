import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { Ajv } from "ajv";
import { parse } from "yaml";

import { manifestJsonSchema } from "../../src/manifest/json-schema.ts";
import { parseManifest } from "../../src/manifest/parse.ts";

const good = join(import.meta.dir, "../fixtures/manifests/good");
const schema = manifestJsonSchema();
// Not "strict": it forbids what draft 07 allows, such as a pattern beside a list of alternatives.
const validate = new Ajv({ strict: false, allErrors: true }).compile(schema);

type Pack = Record<string, unknown>;
const withPack = (pack: Pack) => ({
  schema_version: "aurora-manifest-v1",
  pack: { id: "a", name: "A", version: "1.0.0", ...pack },
});

describe("what Aurora takes, the schema takes", () => {
  test.each(readdirSync(good))("%s", (name) => {
    const text = readFileSync(join(good, name), "utf8");
    parseManifest(Buffer.from(text), name, name.endsWith(".json") ? "json" : "yaml");
    expect({ ok: validate(parse(text)), errors: validate.errors }).toEqual({ ok: true, errors: null });
  });
});

describe("what the schema refuses, Aurora refuses", () => {
  const job = { name: "j", run: "j.sh", every: "1m" };
  const cases: [name: string, manifest: unknown][] = [
    ["no schema version", { pack: withPack({}).pack }],
    ["another schema version", { ...withPack({}), schema_version: "aurora-manifest-v2" }],
    ["no pack", { schema_version: "aurora-manifest-v1" }],
    ["an unknown key", withPack({ helth: {} })],
    ["an unknown key below", withPack({ entrypoint: { begin: "a" } })],
    ["a bad id", withPack({ id: "A" })],
    ["a number for the version", withPack({ version: 1 })],
    ["two parts of a version", withPack({ version: "1.0" })],
    ["an absolute path", withPack({ entrypoint: { start: "/bin/sh" } })],
    ["a path that climbs", withPack({ entrypoint: { start: "a/../../b" } })],
    ["a path with a dot", withPack({ artifacts: [{ path: "./a" }] })],
    ["an empty command", withPack({ entrypoint: { start: [] } })],
    ["a bad checksum", withPack({ artifacts: [{ path: "a", sha256: "xyz" }] })],
    ["an unknown service type", withPack({ service: { type: "forking" } })],
    ["three numbers for two", withPack({ service: { backoff_seconds: [1, 2, 3] } })],
    ["a negative time", withPack({ health: { grace_seconds: -1 } })],
    ["a port out of range", withPack({ health: { tcp: 65_536 } })],
    ["a bad size", withPack({ limits: { memory: "1 parsec" } })],
    ["a memory mount without a size", withPack({ mounts: [{ path: "/x", type: "memory" }] })],
    ["an unknown mount", withPack({ mounts: [{ path: "/x", type: "tmpfs" }] })],
    ["a job with every and cron", withPack({ schedule: [{ ...job, cron: "@daily" }] })],
    ["a job with neither", withPack({ schedule: [{ name: "j", run: "j.sh" }] })],
    ["a bad interval", withPack({ schedule: [{ ...job, every: "soon" }] })],
    [
      "too many jobs",
      withPack({ schedule: Array.from({ length: 257 }, (_, i) => ({ ...job, name: `j${i}` })) }),
    ],
    ["an unknown system", withPack({ device: { os: ["windows"] } })],
  ];
  test.each(cases)("%s", (_name, manifest) => {
    expect(validate(manifest)).toBe(false);
    expect(() => parseManifest(Buffer.from(JSON.stringify(manifest)), "m", "json")).toThrow();
  });
});

test("a description stands on every field, for editors to show", () => {
  const silent: string[] = [];
  const visit = (node: unknown, path: string): void => {
    if (typeof node !== "object" || node === null) return;
    const { properties, items, oneOf } = node as Record<string, unknown>;
    for (const [key, child] of Object.entries(properties ?? {})) {
      const { description } = child as { description?: string };
      if (description === undefined && !("const" in (child as object))) silent.push(`${path}.${key}`);
      visit(child, `${path}.${key}`);
    }
    visit(items, `${path}[]`);
    for (const option of (oneOf ?? []) as unknown[]) visit(option, path);
  };
  visit(schema, "");
  expect(silent).toEqual([]);
});

test("the defaults of the schema are those of the manifest", () => {
  const { manifest } = parseManifest(Buffer.from(JSON.stringify(withPack({}))), "m", "json");
  const defaults = (node: Record<string, unknown>, value: unknown, path: string): string[] => {
    const wrong: string[] = [];
    for (const [key, child] of Object.entries((node["properties"] ?? {}) as Record<string, Pack>)) {
      const actual = (value as Pack | undefined)?.[key];
      const isLeaf = child["properties"] === undefined;
      if (isLeaf && "default" in child && actual !== undefined && !Bun.deepEquals(actual, child["default"]))
        wrong.push(`${path}.${key}`);
      if (!isLeaf) wrong.push(...defaults(child, actual, `${path}.${key}`));
    }
    return wrong;
  };
  expect(defaults(schema, manifest, "")).toEqual([]);
  expect(JSON.stringify(schema)).toContain('"default":"best_effort"');
});
