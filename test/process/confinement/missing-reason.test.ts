import { expect, test } from "bun:test";

import {
  landlockReason,
  namespaceReason,
  seccompReason,
} from "../../../src/process/confinement/missing-reason.ts";

test.each([
  [38, "this kernel has no Landlock: it came with Linux 5.13"],
  [95, 'Landlock is not switched on: the kernel\'s "lsm=" list lacks it'],
  [1, "a sandbox around Aurora forbids Landlock"],
])("errno %d of Landlock: %s", (error, reason) => {
  expect(landlockReason(error)).toBe(reason);
});

test.each([
  [0, null],
  [38, "this kernel cannot filter system calls"],
  [95, "this kernel cannot filter system calls"],
  [1, "a sandbox around Aurora forbids filters for system calls"],
])("errno %d of seccomp: %s", (error, reason) => {
  expect(seccompReason(error)).toBe(reason);
});

test.each([
  ["/proc/sys/user/max_user_namespaces", "0", "user namespaces are switched off (user.max_user_namespaces)"],
  [
    "/proc/sys/kernel/unprivileged_userns_clone",
    "0",
    "user namespaces are for root only (kernel.unprivileged_userns_clone)",
  ],
  [
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "1",
    "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns)",
  ],
  [
    "/proc/sys/user/max_user_namespaces",
    "1000",
    "a container or a policy of this machine forbids it: cannot enter namespaces: operation not permitted",
  ],
])("%s is %s: %s", (path, value, reason) => {
  const trial = { step: "enter namespaces", reason: "operation not permitted" };
  expect(namespaceReason(trial, (name) => (name === path ? value : ""))).toBe(reason);
});
