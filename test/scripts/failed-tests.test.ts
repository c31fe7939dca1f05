import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { scratch } from "../support/aurora.ts";

const root = join(import.meta.dir, "../..");

test("what failed is named with its place and its reason, and nothing else is", () => {
  using place = scratch();
  writeFileSync(
    join(place.path, "a.test.ts"),
    [
      'import { describe, expect, test } from "bun:test";',
      'describe("outer & <x>", () => {',
      '  test("differs", () => expect({ a: "one\\ntwo" }).toEqual({ a: 1 }));',
      '  test("throws", () => { throw new Error("boom <b>\\nsecond"); });',
      '  test("passes", () => {});',
      "});",
      `test("long", () => { throw new Error(${JSON.stringify(Array.from({ length: 50 }, (_, line) => line).join("\n"))}); });`,
    ].join("\n"),
  );
  const report = join(place.path, "report.xml");
  const run = Bun.spawnSync(
    [process.execPath, "test", "--reporter=junit", `--reporter-outfile=${report}`, "a.test.ts"],
    {
      cwd: place.path,
    },
  );
  expect(run.exitCode).toBe(1);
  const { stdout, stderr, exitCode } = Bun.spawnSync([process.execPath, "scripts/failed-tests.ts", report], {
    cwd: root,
  });
  expect(stderr.toString()).toBe("");
  expect(stdout.toString()).toBe(
    [
      "a.test.ts:3: outer & <x> > differs",
      "    expect(received).toEqual(expected)",
      "    ",
      "      {",
      '    -   "a": 1,',
      '    +   "a": ',
      '    + "one',
      '    + two"',
      "    + ,",
      "      }",
      "    ",
      "    - Expected  - 1",
      "    + Received  + 4",
      "a.test.ts:4: outer & <x> > throws",
      "    boom <b>",
      "    second",
      "a.test.ts:7: long",
      ...Array.from({ length: 40 }, (_, line) => `    ${line}`),
      "    … 10 more lines",
      "",
    ].join("\n"),
  );
  expect(exitCode).toBe(0);
});
