import { expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";

import { manifestOfTree } from "../../src/commands/shared/tree-manifest.ts";
import { homePaths } from "../../src/system/home.ts";
import { scratch } from "../support/aurora.ts";
import { writePack } from "../support/test-pack.ts";

function home() {
  const directory = scratch();
  const paths = homePaths(directory.path);
  for (const path of [paths.store, paths.live]) mkdirSync(path);
  const [old, next, link] = [paths.tree("sha256:old"), paths.tree("sha256:next"), paths.liveLink("app")];
  writePack(old, { id: "app", version: "1.0.0" });
  symlinkSync(old, link);
  /** What others do once the link was followed. */
  const meanwhile = (others: () => void) => ({
    ...paths,
    get store() {
      others();
      return paths.store;
    },
  });
  return { old, next, link, meanwhile, [Symbol.dispose]: () => directory[Symbol.dispose]() };
}

test("the manifest of what a link leads to, also where it is switched meanwhile and the old tree removed", async () => {
  using t = home();
  const paths = t.meanwhile(() => {
    writePack(t.next, { id: "app", version: "2.0.0" });
    rmSync(t.link);
    symlinkSync(t.next, t.link);
    rmSync(t.old, { recursive: true, force: true });
  });
  expect((await manifestOfTree(paths, t.link))?.pack.version).toBe("2.0.0");
});

test("none where the pack is removed meanwhile, and what is damaged and stays is told", async () => {
  using t = home();
  const removed = t.meanwhile(() => {
    rmSync(t.link, { force: true });
    rmSync(t.old, { recursive: true, force: true });
  });
  expect(await manifestOfTree(removed, t.link)).toBeUndefined();
  using other = home();
  const damaged = other.meanwhile(() => rmSync(`${other.old}/manifest.yaml`, { force: true }));
  expect(await manifestOfTree(damaged, other.link).catch((thrown: { code: string }) => thrown.code)).toBe(
    "manifest-missing",
  );
});
