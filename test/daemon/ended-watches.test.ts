/** What watches the registry for a daemon, when that has ended: a timer that was due may still come. */
import { expect, test } from "bun:test";

import { ConfirmationWatch } from "../../src/daemon/confirmation-watch.ts";
import { OneshotWatch } from "../../src/daemon/oneshot-watch.ts";
import { type Workspace } from "../../src/lifecycle/workspace.ts";
import { openRegistry } from "../../src/registry/registry.ts";
import { ensureHome } from "../../src/system/ensure-home.ts";
import { homePaths } from "../../src/system/home.ts";
import { scratch } from "../support/aurora.ts";

test.each([
  ["packs whose health is looked at", OneshotWatch],
  ["what is to be confirmed", ConfirmationWatch],
])("%s: nothing is looked for in a registry that is closed", (_name, Watch) => {
  using directory = scratch();
  const paths = homePaths(`${directory.path}/home`);
  ensureHome(paths);
  const registry = openRegistry(paths);
  const watch = new Watch({ registry } as Workspace, () => {});
  expect(() => watch.look()).not.toThrow();
  watch[Symbol.dispose]();
  registry[Symbol.dispose]();
  expect(() => watch.look()).not.toThrow();
});
