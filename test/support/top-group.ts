import { existsSync } from "node:fs";

import { makeGroup, removeGroup } from "../../src/system/control-group.ts";

/** Where this machine has groups of version 2 that can be made, with whatever controllers; undefined where it has not. */
export const topGroup = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((directory) => {
  if (!existsSync(`${directory}/cgroup.controllers`)) return false;
  try {
    makeGroup(`${directory}/aurora-test-probe-${process.pid}`);
    return removeGroup(`${directory}/aurora-test-probe-${process.pid}`);
  } catch {
    return false;
  }
});
