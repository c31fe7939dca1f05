import { expect, test } from "bun:test";

import { testHome } from "../../support/test-home.ts";

test("takes an entry away, once", async () => {
  await using t = testHome();
  await t.run(["ns", "register", "app"]);
  expect(await t.run(["ns", "unregister", "app"])).toEqual({
    stdout: "app is no longer registered\n",
    stderr: "",
    exitCode: 0,
  });
  expect(await t.run(["ns", "unregister", "app"])).toEqual({
    stdout: "",
    stderr:
      'error[not-found]: "app" has no entry in the namespace registry\nhint: aurora ns list shows the entries\n',
    exitCode: 5,
  });
});
