/** Root opens a part of a pack's data to another pack's user, while the pack may put traps there. */
import { expect, test } from "bun:test";
import { chownSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";

import { closeShare, openShare, sharedDirectory } from "../../src/lifecycle/shared-access.ts";
import { makeFifo } from "../../src/system/fifo.ts";
import { userAccess } from "../../src/system/posix-acl.ts";
import { scratch } from "../support/aurora.ts";

const [giver, taker] = [1_900_000_001, 1_900_000_002];
const asRoot = process.getuid?.() === 0;

function home() {
  const place = scratch();
  const data = `${place.path}/data`;
  for (const directory of [data, `${data}/pub`, `${data}/pub/in`, `${data}/own`]) {
    mkdirSync(directory, { mode: 0o700 });
    chownSync(directory, giver, giver);
  }
  const file = (path: string, uid = giver) => {
    writeFileSync(path, "", { mode: 0o600 });
    chownSync(path, uid, uid);
    return path;
  };
  return { ...place, data, file };
}

test.if(asRoot)("what is there and what will be is opened, and closed again (needs root)", () => {
  using t = home();
  const files = [t.file(`${t.data}/pub/a`), t.file(`${t.data}/pub/in/b`)];
  openShare({ data: t.data, source: "/pub", uid: taker, mode: "rw" });
  expect(files.map((path) => userAccess(path, "access", taker))).toEqual([6, 6]);
  expect(userAccess(`${t.data}/pub/in`, "default", giver)).toBe(7);
  expect([t.data, `${t.data}/own`, `${t.data}/pub`].map((path) => userAccess(path, "access", taker))).toEqual(
    [1, undefined, 7],
  );
  openShare({ data: t.data, source: "/pub", uid: taker, mode: "ro" });
  expect(userAccess(`${t.data}/pub/in/b`, "access", taker)).toBe(4);
  closeShare({ data: t.data, source: "/pub", uid: taker });
  for (const path of [t.data, `${t.data}/pub`, ...files])
    expect(userAccess(path, "access", taker)).toBeUndefined();
  expect(userAccess(`${t.data}/pub/in`, "default", taker)).toBeUndefined();
});

test.if(asRoot)("links, second names, pipes and the files of others stay as they are (needs root)", () => {
  using t = home();
  const secret = t.file(`${t.path}/secret`, 0);
  const linked = t.file(`${t.path}/linked`);
  symlinkSync(secret, `${t.data}/pub/link`);
  symlinkSync(t.path, `${t.data}/pub/up`);
  linkSync(linked, `${t.data}/pub/second`);
  makeFifo(`${t.data}/pub/pipe`, 0o600);
  t.file(`${t.data}/pub/roots`, 0);
  openShare({ data: t.data, source: "/pub", uid: taker, mode: "rw" });
  for (const path of [t.path, secret, linked, `${t.data}/pub/pipe`, `${t.data}/pub/roots`])
    expect([path, userAccess(path, "access", taker)]).toEqual([path, undefined]);
  expect(userAccess(`${t.data}/pub`, "access", taker)).toBe(7);
});

test.if(asRoot)("a way that leads through a link is none (needs root)", () => {
  using t = home();
  symlinkSync("own", `${t.data}/link`);
  mkdirSync(`${t.data}/own/deep`);
  openShare({ data: t.data, source: "/link/deep", uid: taker, mode: "rw" });
  expect(userAccess(`${t.data}/own/deep`, "access", taker)).toBeUndefined();
  expect(sharedDirectory(t.data, "/link/deep")).toBeUndefined();
  expect(sharedDirectory(t.data, "/own/deep/")).toBe(`${t.data}/own/deep`);
});

test("a file system without ACLs is said to be one", () => {
  expect(() => openShare({ data: "/proc/sys", source: "/kernel", uid: taker, mode: "ro" })).toThrow(
    'cannot share "/kernel": the file system of the home has no ACLs',
  );
});
