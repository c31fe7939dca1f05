/** Giving back the memory of the program file: how much of what was changed goes depends on who else runs the same one. */
import { expect, test } from "bun:test";
import { join } from "node:path";

const modulePath = join(import.meta.dir, "../../src/system/unmap-file-pages.ts");
const program = `
  import { readFileSync } from "node:fs";
  import { unmapFilePages } from ${JSON.stringify(modulePath)};
  const fileKb = () => Number(/^RssFile:\\s+(\\d+) kB/m.exec(readFileSync("/proc/self/status", "latin1"))[1]);
  const before = fileKb();
  const bytes = unmapFilePages();
  const after = fileKb();
  // All of the program still works after it.
  const works = JSON.parse(JSON.stringify({ a: [1] })).a[0] + (await new Response("x").text());
  console.log(JSON.stringify({ isMuch: bytes > 10_000_000, isLess: after < before / 2, works }));
`;

// The pages of a file that is another's are given back as well.
test.each([
  ["the caller's own", {}],
  ["another's", { uid: 65_534, gid: 65_534 }],
])("the pages of a program file that is %s are given back, and the program goes on", (_name, user) => {
  const { stdout, stderr, exitCode } = Bun.spawnSync([process.execPath, "-e", program], {
    ...user,
    env: { PATH: "/usr/bin:/bin", HOME: "/nonexistent" },
  });
  expect({ exitCode, stdout: stdout.toString(), stderr: stderr.toString() }).toEqual({
    exitCode: 0,
    stderr: "",
    stdout: `${JSON.stringify({ isMuch: true, isLess: true, works: "1x" })}\n`,
  });
});
