import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { manifestJsonSchema } from "../../src/manifest/json-schema.ts";

const page = readFileSync(join(import.meta.dir, "../../docs/manifest.md"), "utf8");

/** The names of all fields of the schema, without the sections around them. */
function fieldNames(node: unknown): string[] {
  if (typeof node !== "object" || node === null) return [];
  const { properties, items, oneOf } = node as Record<string, unknown>;
  const own = Object.entries((properties ?? {}) as Record<string, unknown>);
  return [
    ...own.flatMap(([name, child]) => [name, ...fieldNames(child)]),
    ...[items, oneOf].flat().flatMap(fieldNames),
  ];
}

test("docs/manifest.md names every field", () => {
  const words = new Set([...page.matchAll(/`([a-z0-9_.]+)`/g)].flatMap(([, name = ""]) => name.split(".")));
  expect(fieldNames(manifestJsonSchema()).filter((name) => !words.has(name))).toEqual([]);
});

test("docs/manifest.md names every code that check finds", () => {
  const source = readFileSync(join(import.meta.dir, "../../src/manifest/finding.ts"), "utf8");
  const codes = [...source.matchAll(/^ {2}\| "([a-z-]+)"/gm)].map(([, code = ""]) => code);
  expect(codes.length).toBeGreaterThan(5);
  expect(codes.filter((code) => !page.includes(`\`${code}\``))).toEqual([]);
});
