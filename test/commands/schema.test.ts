import { expect, test } from "bun:test";

import { Ajv } from "ajv";

import { aurora } from "../support/aurora.ts";

test("schema prints a JSON Schema that other programs can use", async () => {
  const { stdout, stderr, exitCode } = await aurora(["schema"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  const schema = JSON.parse(stdout) as Record<string, unknown>;
  expect(schema).toMatchObject({
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Aurora manifest",
  });
  const validate = new Ajv({ strict: false }).compile(schema);
  const pack = { id: "demo", name: "Demo", version: "1.0.0" };
  expect(validate({ schema_version: "aurora-manifest-v1", pack, "x-mine": 1 })).toBe(true);
  expect(validate({ schema_version: "aurora-manifest-v1", pack: { ...pack, helth: {} } })).toBe(false);
});

test("--json is the same document on one line", async () => {
  const [indented, line] = await Promise.all([aurora(["schema"]), aurora(["schema", "--json"])]);
  expect(line.stdout).not.toContain("\n ");
  expect(JSON.parse(line.stdout)).toEqual(JSON.parse(indented.stdout));
});
