/** What the machine's permissions refuse is told in the words of the VFS, with its own path, and is exit 9. Root is refused nothing. */
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, statSync, writeFileSync } from "node:fs";

import { userHome, users } from "../support/user-home.ts";

const quiet = { install: null, start: null, stop: null, health: null };

test.skipIf(!users.includes("an ordinary user"))(
  "an ordinary user",
  async () => {
    await using t = userHome("an ordinary user");
    t.write({ ...quiet, id: "app" });
    t.write({ ...quiet, id: "limited", manifest: "  data: { quota: { size: 1000 } }" });
    await t.run(["install", "app", "limited"]);
    await t.run(["vfs", "mkdir", "app", "/made"]);
    await t.run(["vfs", "mkdir", "limited", "/closed"]);
    chmodSync(`${t.home}/data/limited/closed`, 0o000);
    const data = `${t.home}/data/app`;
    const { uid, gid } = statSync(data);
    const place = (path: string) => `${data}/${path}`;
    for (const name of ["closed", "fixed"]) mkdirSync(place(name));
    for (const name of ["unreadable", "unwritable", "fixed/file"]) writeFileSync(place(name), "content");
    Bun.spawnSync(["chown", "-R", `${uid}:${gid}`, data]);
    const modes = { unreadable: 0o000, unwritable: 0o444, closed: 0o000, fixed: 0o555 };
    for (const [name, mode] of Object.entries(modes)) chmodSync(place(name), mode);
    const cases: [argv: string[], message: string][] = [
      [["cat", "app", "unreadable"], 'cannot read "/unreadable"'],
      [["cp", "app", "unreadable", "copy"], 'cannot read "/unreadable"'],
      [["append", "app", "unwritable"], 'cannot append to "/unwritable"'],
      [["ls", "app", "closed"], 'cannot list "/closed"'],
      [["stat", "app", "closed/x"], 'cannot look at "/closed/x"'],
      [["write", "app", "fixed/new"], 'cannot write "/fixed/new"'],
      [["write", "app", "fixed/file"], 'cannot write "/fixed/file"'],
      [["mkdir", "app", "fixed/new"], 'cannot create "/fixed/new"'],
      [["ln", "app", "file", "fixed/link"], 'cannot create "/fixed/link"'],
      [["rm", "app", "fixed/file"], 'cannot remove "/fixed/file"'],
      [["write", "limited", "new"], 'cannot count "/"'],
      [["rm", "app", "-r", "fixed"], 'cannot remove "/fixed"'],
      [["mv", "app", "fixed/file", "moved"], 'cannot move to "/moved"'],
      [["mv", "app", "unwritable", "fixed/moved"], 'cannot move to "/fixed/moved"'],
    ];
    for (const [argv, message] of cases)
      expect([argv, await t.run(["vfs", ...argv])]).toEqual([
        argv,
        { stdout: "", stderr: `error[denied]: ${message}: permission denied\n`, exitCode: 9 },
      ]);
    chmodSync(place("closed"), 0o700);
    chmodSync(`${t.home}/data/limited/closed`, 0o700);
  },
  60_000,
);
