/** A home has one owner: root looks at it, and does not make it its own. */
import { expect, test } from "bun:test";
import { statSync } from "node:fs";

import { aurora, canBeOrdinaryUser } from "../support/aurora.ts";
import { userHome } from "../support/user-home.ts";

test.skipIf(process.getuid?.() !== 0 || !canBeOrdinaryUser)(
  "root changes nothing in a user's home, and may look at it (needs root)",
  async () => {
    await using t = userHome("an ordinary user");
    const service = "  service: { type: simple }";
    t.write({
      id: "app",
      install: null,
      start: "exec sleep 300",
      stop: null,
      health: null,
      manifest: service,
    });
    expect(await t.run(["install", "app", "--quiet"])).toMatchObject({ exitCode: 0 });
    const asRoot = async (...argv: string[]) => {
      const { stdout, stderr, exitCode } = await aurora(argv, {
        home: t.home,
        env: { AURORA_PACKS: t.packs },
      });
      return { stdout, stderr: stderr.replaceAll(t.path, "DIR"), exitCode };
    };
    const refused = {
      stdout: "",
      stderr: `error[home-unusable]: cannot use the home "DIR/home": it is that of user 65534
hint: call aurora as that user: sudo -u "#65534" aurora --home DIR/home …
`,
      exitCode: 1,
    };
    for (const argv of [["restart", "app"], ["stop", "app"], ["install", "app"], ["daemon"], ["recover"]])
      expect(await asRoot(...argv)).toEqual(refused);
    expect(await asRoot("status", "app")).toMatchObject({
      stdout: expect.stringContaining("running"),
      stderr: "",
    });
    expect(await asRoot("daemon", "stop")).toMatchObject({ stderr: "", exitCode: 0 });
    expect(statSync(`${t.home}/run/services`).uid).toBe(65_534);
    expect(await t.run(["restart", "app"])).toMatchObject({ stderr: "", exitCode: 0 });
  },
);
