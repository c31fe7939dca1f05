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
      health: "true",
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
    // Whatever would be a process of the pack: it would be another user's.
    expect(await asRoot("health", "app")).toEqual(refused);
    expect(await asRoot("exec", "app", "--", "true")).toEqual({
      ...refused,
      stderr: refused.stderr.replace("home-unusable", "exec-failed"),
      exitCode: 125,
    });
    for (const argv of [["restart", "app"], ["stop", "app"], ["install", "app"], ["daemon"], ["recover"]])
      expect(await asRoot(...argv)).toEqual(refused);
    expect(await asRoot("status", "app")).toMatchObject({
      stdout: expect.stringContaining("running"),
      stderr: "",
    });
    expect(await asRoot("daemon", "stop")).toMatchObject({ stderr: "", exitCode: 0 });
    for (const path of ["run/services", "data/app", "logs/app"])
      expect(statSync(`${t.home}/${path}`).uid).toBe(65_534);
    expect(await t.run(["restart", "app"])).toMatchObject({ stderr: "", exitCode: 0 });
  },
);
