/** A process as the parent of what lost its parent. In a program of its own, so that the tests' process stays as it is. */
import { expect, test } from "bun:test";
import { join } from "node:path";

import { childIds, reapChild } from "../../src/system/child-processes.ts";

test("what is no child is not reaped, and has no children that could be listed once it is gone", () => {
  expect(reapChild(process.pid)).toBe(false);
  expect(childIds(2 ** 22 + 1)).toBeUndefined();
});

const modulePath = join(import.meta.dir, "../../src/system/child-processes.ts");
const program = `
  import { readFileSync } from "node:fs";
  import { becomeSubreaper, childIds, reapChild } from ${JSON.stringify(modulePath)};
  const isSubreaper = becomeSubreaper();
  const child = Bun.spawn(["sh", "-c", "(setsid sleep 0.05 & echo $!); exit 7"], { stdout: "pipe" });
  const orphan = Number(await child.stdout.text());
  const rc = await child.exited;
  const stateOf = (pid) => readFileSync("/proc/" + pid + "/stat", "latin1").split(") ")[1][0];
  while (stateOf(orphan) !== "Z") await Bun.sleep(5);
  const isChild = childIds(process.pid).includes(orphan);
  console.log(JSON.stringify({ isSubreaper, rc, isChild, reaped: reapChild(orphan), again: reapChild(orphan), left: childIds(process.pid) }));
`;

const ends = `
  import { endOf, becomeSubreaper } from ${JSON.stringify(modulePath)};
  import { readFileSync } from "node:fs";
  becomeSubreaper();
  const told = [endOf(process.pid) ?? "no child"];
  for (const end of ["exit 7", "kill -TERM $$"]) {
    const script = "(setsid sh -c 'sleep 0.05; " + end + "' >&- & echo $!)";
    const child = Bun.spawn(["sh", "-c", script], { stdout: "pipe" });
    const orphan = Number(await child.stdout.text());
    await child.exited;
    const stateOf = (pid) => readFileSync("/proc/" + pid + "/stat", "latin1").split(") ")[1][0];
    while (stateOf(orphan) !== "Z") await Bun.sleep(5);
    told.push(endOf(orphan));
  }
  console.log(JSON.stringify(told));
`;

test("how an orphan has ended is told", () => {
  const { stdout, exitCode } = Bun.spawnSync([process.execPath, "-e", ends]);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout.toString())).toEqual([
    "no child",
    { rc: 7, signal: null },
    { rc: null, signal: "SIGTERM" },
  ]);
});

test("an orphan becomes a child, is reaped by its number, and the runtime's own child keeps its exit code", () => {
  const { stdout, exitCode } = Bun.spawnSync([process.execPath, "-e", program]);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout.toString())).toEqual({
    isSubreaper: true,
    rc: 7,
    isChild: true,
    reaped: true,
    again: false,
    left: [],
  });
});
