import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { featureKey, readFeatures, writeFeatures } from "../../../src/process/confinement/feature-cache.ts";
import { probeKernel } from "../../../src/process/confinement/kernel.ts";
import { scratch } from "../../support/aurora.ts";

const features = probeKernel();
let place: ReturnType<typeof scratch>;
let file: string;
beforeEach(() => {
  place = scratch();
  file = join(place.path, "features.json");
});
afterEach(() => place[Symbol.dispose]());

test("what was found is found again, under the same key", () => {
  expect(readFeatures(file, "key")).toBeUndefined();
  writeFeatures(file, "key", features);
  expect(readFeatures(file, "key")).toEqual(features);
  expect(readFeatures(file, "another")).toBeUndefined();
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(place.path)).toEqual(["features.json"]);
});

test("the key is the same for the same process", () => {
  expect(featureKey()).toBe(featureKey());
});

test("a file that others may change, a link and a broken file count for nothing", () => {
  writeFeatures(file, "key", features);
  chmodSync(file, 0o660);
  expect(readFeatures(file, "key")).toBeUndefined();
  chmodSync(file, 0o600);
  renameSync(file, `${file}.real`);
  symlinkSync(`${file}.real`, file);
  expect(readFeatures(file, "key")).toBeUndefined();
  writeFileSync(`${file}.broken`, "{", { mode: 0o600 });
  expect(readFeatures(`${file}.broken`, "key")).toBeUndefined();
});

test("where it cannot be kept nothing is left", () => {
  writeFeatures(join(place.path, "gone", "features.json"), "key", features);
  expect(readdirSync(place.path)).toEqual([]);
});

const { launcher, landlock, seccomp, mountNamespace, processNamespace, networkNamespace } = features;
const missing = [launcher, landlock, seccomp, mountNamespace, processNamespace, networkNamespace].filter(
  (reason) => reason !== null,
);

test("a process finds what another has kept, where nothing is missing", () => {
  const program = `
    import { probeKernel } from ${JSON.stringify(join(import.meta.dir, "../../../src/process/confinement/kernel.ts"))};
    console.log(JSON.stringify(probeKernel({ path: ${JSON.stringify(file)}, isWritable: true })));`;
  const once = () => Bun.spawnSync([process.execPath, "-e", program]).stdout.toString();
  const first = once();
  if (missing.length > 0) {
    expect(existsSync(file)).toBe(false);
    return;
  }
  const before = statSync(file).mtimeMs;
  expect(once()).toBe(first);
  expect(statSync(file).mtimeMs).toBe(before);
});

test("what lacks something is not kept: it may be there the next time", () => {
  // Nobody here may make a network namespace, so that one layer is missing.
  const program = `
    import { probeKernel } from ${JSON.stringify(join(import.meta.dir, "../../../src/process/confinement/kernel.ts"))};
    const features = probeKernel({ path: ${JSON.stringify(file)}, isWritable: true });
    console.log(features.networkNamespace === null ? "all" : "less");`;
  const limited = [
    "unshare",
    "--user",
    "--map-root-user",
    "sh",
    "-c",
    'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"',
    "sh",
  ];
  const { stdout } = Bun.spawnSync([...limited, process.execPath, "-e", program]);
  if (stdout.toString().trim() !== "less") return; // No user namespace can be made here, or it has no limits of its own.
  expect(existsSync(file)).toBe(false);
});
