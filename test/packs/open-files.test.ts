/** How many open files a pack's processes may have: the usual number, and what `limits.open_files` says. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { mostOpenFiles } from "../../src/system/open-files.ts";
import { eventually } from "../support/eventually.ts";
import { userHome, users } from "../support/user-home.ts";

const TIMEOUT_MS = 60_000;
const print = "ulimit -Sn; ulimit -Hn";

describe.each(users)("as %s", (user) => {
  test("what is confined begins with the usual limit and may raise it, where the manifest has no other", async () => {
    await using t = userHome(user);
    const service = { install: null, start: `${print}; exec sleep 300`, stop: null, health: null };
    t.write({ id: "app", ...service, manifest: "  service: { type: simple }" });
    t.write({ id: "few", ...service, manifest: "  service: { type: simple }\n  limits: { open_files: 64 }" });
    t.write({ id: "free", ...service, manifest: "  service: { type: simple }" });
    for (const argv of [["app"], ["few"], ["free", "--allow-all"]])
      expect(await t.run(["install", ...argv, "--approve", "--quiet"])).toMatchObject({ exitCode: 0 });
    const printed = async (id: string) =>
      await eventually(`what ${id} prints`, () => {
        const text = readFileSync(`${t.home}/logs/${id}/service.stdout.log`, "utf8");
        return text.split("\n").length > 2 ? text : undefined;
      });
    const most = mostOpenFiles() ?? 0;
    const usual = `${Math.min(1024, most)}\n${most}\n`;
    // The runtime raises its own to no more.
    const own = `${Math.min(1_048_576, most)}\n${most}\n`;
    expect(await Promise.all(["app", "few", "free"].map(printed))).toEqual([usual, "64\n64\n", own]);

    expect(await t.run(["exec", "app", "--", "sh", "-c", print])).toMatchObject({ stdout: usual });
    const raised = await t.run(["exec", "app", "--", "sh", "-c", `ulimit -Sn ${most} && ulimit -Sn`]);
    expect(raised).toMatchObject({ stdout: `${most}\n`, exitCode: 0 });
  }, TIMEOUT_MS);
});
