import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { AuroraError } from "../../src/errors.ts";
import { parseManifest } from "../../src/manifest/parse.ts";

const good = join(import.meta.dir, "../fixtures/manifests/good");
/** More rounds for a long run: `AURORA_FUZZ_ROUNDS=100000 bun test test/manifest/fuzz.test.ts`. */
const rounds = Number(Bun.env["AURORA_FUZZ_ROUNDS"] ?? 600);
const seed = Number(Bun.env["AURORA_FUZZ_SEED"] ?? 20_261_124);

/** A small generator with a seed (Numerical Recipes), so that a failure can be seen again. */
function seeded(state: number): (bound: number) => number {
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

const pieces = [
  "\t",
  "\n",
  "\r",
  " ",
  ":",
  ": ",
  "- ",
  "? ",
  "[",
  "]",
  "{",
  "}",
  ",",
  "#",
  " #",
  "&a ",
  "*a",
  "!!x ",
  "|",
  ">",
  "'",
  '"',
  "\\",
  "%",
  "@",
  "`",
  "---\n",
  "...\n",
  "<<: ",
  "null",
  "true",
  "0",
  "-1",
  "1e999",
  ".nan",
  "é",
  "\u0000",
  "\ufeff",
  "__proto__",
  "constructor",
  "x-",
  "//",
];

function mutate(bytes: Buffer, random: (bound: number) => number): Buffer {
  let changed = bytes;
  for (let count = 1 + random(4); count > 0; count--) {
    const at = random(changed.length + 1);
    const end = Math.min(changed.length, at + random(1 + random(40)));
    const before = changed.subarray(0, at);
    const piece = [
      () => Buffer.from(pieces[random(pieces.length)] as string),
      () => Buffer.from([random(256)]),
      () => Buffer.alloc(0),
      () => changed.subarray(random(changed.length), random(changed.length)),
    ][random(4)] as () => Buffer;
    changed = Buffer.concat([before, piece(), changed.subarray(random(2) === 0 ? at : end)]);
  }
  return changed;
}

test.each(["everything.yaml", "first-format.yaml", "anchors.yaml", "minimal.json"])(
  "no change of %s makes anything but a manifest or a fault with a place",
  (name) => {
    const format = name.endsWith(".json") ? "json" : "yaml";
    const bytes = readFileSync(join(good, name));
    const random = seeded(seed);
    let taken = 0;
    for (let round = 0; round < rounds; round++) {
      const text = mutate(bytes, random);
      try {
        const { manifest } = parseManifest(text, "m", format);
        expect(JSON.parse(JSON.stringify(manifest))).toEqual(manifest);
        taken++;
      } catch (thrown) {
        const isKnown = thrown instanceof AuroraError && /^manifest-(syntax|invalid)$/.test(thrown.code);
        const isEmpty = isKnown && thrown.message.endsWith("it is empty");
        if (!isKnown || (thrown.diagnostics.length === 0 && !isEmpty))
          throw new Error(`seed ${seed}, round ${round}: ${JSON.stringify(text.toString("latin1"))}`, {
            cause: thrown,
          });
        const lines = text.toString().split("\n").length;
        for (const { source, message } of thrown.diagnostics) {
          expect(message).not.toBe("");
          expect(source?.line).toBeWithin(1, lines + 1);
          expect(source?.column).toBeWithin(1, (source?.text?.length ?? 0) + 2);
        }
      }
    }
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(rounds);
    expect(Object.keys(Object.prototype)).toEqual([]);
  },
  10 * 60_000,
);
