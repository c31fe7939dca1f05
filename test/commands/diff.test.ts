import { expect, test } from "bun:test";

import { testHome } from "../support/test-home.ts";

test("what is live against a source, and two generations against each other", async () => {
  await using t = testHome();
  t.write({ id: "app", name: "1", version: "1.0.0", files: { old: "1", same: "s" } });
  t.write({ id: "app", name: "2", version: "2.0.0", files: { new: "1", same: "s" } });
  await t.run(["install", "./packs/1"]);
  expect(await t.run(["diff", "./packs/2"])).toEqual({
    stdout: "generation 1 → DIR/packs/2\n+ new\n~ manifest.yaml\n- old\n",
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["diff", "./packs/1"])).toEqual({
    stdout: "no difference between generation 1 and DIR/packs/1\n",
    stderr: "",
    exitCode: 0,
  });
  await t.run(["install", "./packs/2"]);
  expect((await t.json(["diff", "app", "--from", "1", "--to", "2"])).value).toEqual({
    pack_id: "app",
    from: { label: "generation 1", digest: expect.any(String) },
    to: { label: "generation 2", digest: expect.any(String) },
    added: ["new"],
    changed: ["manifest.yaml"],
    removed: ["old"],
  });
  expect(await t.run(["diff", "app", "--from", "1"])).toMatchObject({
    stdout: "generation 1 → generation 2\n+ new\n~ manifest.yaml\n- old\n",
  });
});

test("a name stays on its line", async () => {
  await using t = testHome();
  t.write({ id: "app" });
  await t.run(["install", "app"]);
  await Bun.write(`${t.packs}/app/x\n- health.sh`, "");
  expect((await t.run(["diff", "app"])).stdout).toEndWith("\n+ x\\u{a}- health.sh\n");
});

test("what cannot be compared", async () => {
  await using t = testHome();
  t.write({ id: "app", name: "1" });
  expect(await t.run(["diff", "./packs/1"])).toMatchObject({ stdout: "", exitCode: 5 });
  await t.run(["install", "./packs/1"]);
  expect(await t.run(["diff", "app"])).toEqual({
    stdout: "",
    stderr:
      'error[not-found]: cannot compare "app": there is no source of that name\nhint: give the path of its source, or two generations with --from N --to M\n',
    exitCode: 5,
  });
  expect(await t.run(["diff", "app", "--from", "9"])).toMatchObject({ stdout: "", exitCode: 5 });
});
