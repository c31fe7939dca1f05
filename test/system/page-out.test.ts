/** Giving back the memory of the program file: how much goes depends on who else runs the same one. */
import { expect, test } from "bun:test";
import { join } from "node:path";

const modulePath = join(import.meta.dir, "../../src/system/page-out.ts");
const program = `
  import { pageOutFileMaps } from ${JSON.stringify(modulePath)};
  const bytes = pageOutFileMaps();
  // All of the program still works after it.
  const works = JSON.parse(JSON.stringify({ a: [1] })).a[0] + (await new Response("x").text());
  console.log(JSON.stringify({ isMuch: bytes > 10_000_000, works }));
`;

test("the file maps are given up, and the program goes on", () => {
  const { stdout, exitCode } = Bun.spawnSync([process.execPath, "-e", program]);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout.toString())).toEqual({ isMuch: true, works: "1x" });
});
