import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { controlGroupReason } from "../../../src/process/confinement/control-group.ts";
import { explainPolicy, explanationText } from "../../../src/process/confinement/explain.ts";
import { type KernelFeatures } from "../../../src/process/confinement/kernel.ts";
import { layersFor } from "../../../src/process/confinement/layers.ts";
import { packPolicy, type Policy } from "../../../src/process/confinement/policy.ts";
import { readableBelow } from "../../../src/process/confinement/system-files.ts";
import { scratch } from "../../support/aurora.ts";

const system = { execute: ["/usr"], read: ["/proc"], list: [], devices: [], sharedMemory: [] };
const noNet = { connect: [], listen: [], udp: false };
type Input = Parameters<typeof packPolicy>[0];

function policy(more: Partial<Input> = {}): Policy {
  return packPolicy({
    system,
    tree: "/home/store/1",
    dataDir: "/home/data/p",
    logDir: "/home/logs/p",
    scratchDir: "/home/tmp/x",
    home: "/home",
    permissions: { read: [], write: [], run: [], net: noNet, unix: false },
    limits: {
      memory_bytes: null,
      processes: null,
      open_files: null,
      file_size_bytes: null,
      cpu_seconds: null,
    },
    runtime: [],
    signals: "inside",
    allowAll: false,
    ...more,
  });
}

const everything: KernelFeatures = {
  arch: "x64",
  launcher: null,
  landlockAbi: 7,
  landlock: null,
  seccomp: null,
  mountNamespace: null,
  processNamespace: null,
  networkNamespace: null,
  needsUserNamespace: true,
  controlGroup: null,
};

describe("packPolicy", () => {
  test("without permissions is the baseline", () => {
    expect(policy()).toEqual({
      unconfined: false,
      system,
      read: [],
      write: ["/home/data/p", "/home/logs/p", "/home/tmp/x"],
      memory: [],
      execute: ["/home/store/1"],
      programs: [],
      home: "/home",
      net: { connect: [], listen: [], udp: false },
      unix: false,
      signals: "inside",
      notify: false,
      limits: {
        memory_bytes: null,
        processes: null,
        open_files: null,
        file_size_bytes: null,
        cpu_seconds: null,
      },
      namespaces: true,
    });
  });

  test("a path below a writable one grants nothing of its own: the pack could make it a link", () => {
    const permissions = {
      read: ["/srv/a/b", "/srv/other/", "/srv/ab"],
      write: ["/srv/a", "/srv/a/c", "/home/data/p/x"],
      run: ["/home/data/p", "curl"],
      net: { connect: [443, 80, 443], listen: [], udp: false },
      unix: false,
    };
    const { read, write, execute, programs, net } = policy({ permissions });
    expect(read).toEqual(["/srv/other", "/srv/ab"]);
    expect(write).toEqual(["/home/data/p", "/home/logs/p", "/home/tmp/x", "/srv/a"]);
    expect(execute).toEqual(["/home/store/1", "/home/data/p"]);
    expect(programs).toEqual(["curl"]);
    expect(net.connect).toEqual([80, 443]);
  });
});

describe("layersFor", () => {
  const stateOf = (features: Partial<KernelFeatures>, more: Partial<Policy> = {}, isRoot = false) =>
    Object.fromEntries(
      layersFor({ ...policy(), ...more }, { ...everything, ...features }, isRoot).map((layer) => [
        layer.name,
        layer.reason,
      ]),
    );
  const limits = { ...policy().limits, processes: 10 };

  test("a kernel with everything enforces everything the policy has a use for", () => {
    expect(stateOf({})).toEqual({
      "landlock-files": null,
      "landlock-scopes": null,
      seccomp: null,
      "no-new-privileges": null,
      "mount-namespace": null,
      "process-namespace": null,
      "network-namespace": null,
    });
  });

  test("processes and ports of the machine are there for whom they are granted", () => {
    expect(stateOf({}, { signals: "user" })["process-namespace"]).toBe(
      "its processes and those of the pack's other starts are to reach each other",
    );
    expect(stateOf({}, { processNamespace: false })["process-namespace"]).toBe(
      "it is switched off for this command",
    );
    expect(stateOf({}, { signals: "user", processNamespace: true })["process-namespace"]).toBeNull();
    expect(stateOf({ processNamespace: "no /proc" })["process-namespace"]).toBe("no /proc");
    for (const granted of [
      { net: { ...noNet, listen: [80] } },
      { net: { ...noNet, udp: true } },
      { unix: true },
    ])
      expect(stateOf({}, granted)).not.toHaveProperty("network-namespace");
  });

  test("without a pid namespace the launcher reaps what is left behind, where it is to be", () => {
    expect(stateOf({ processNamespace: "no" })).toMatchObject({ "process-namespace": "no", reaper: null });
    expect(stateOf({ processNamespace: "no", backEnd: "re-exec" })["reaper"]).toBe("it needs the launcher");
    expect(stateOf({ processNamespace: "no" }, { processNamespace: false })).not.toHaveProperty("reaper");
    expect(stateOf({ processNamespace: "no" }, { signals: "user" })).not.toHaveProperty("reaper");
  });

  test("root is told whether a pack runs as root", () => {
    expect(stateOf({}, {}, true)["own-user"]).toBe("it runs as root");
    expect(stateOf({}, { uid: 1_900_000_001 }, true)["own-user"]).toBeNull();
    expect(stateOf({})).not.toHaveProperty("own-user");
  });

  test("each gap has its reason, in plain words", () => {
    expect(stateOf({ landlockAbi: 3 }, { net: { ...noNet, connect: [443] } })).toMatchObject({
      "landlock-ports": "telling ports apart needs Landlock ABI 4, and this kernel has 3",
      "landlock-scopes":
        "keeping signals and abstract sockets inside needs Landlock ABI 6, and this kernel has 3",
    });
    expect(stateOf({ launcher: "no memory files" })).toEqual({
      "landlock-files": "no memory files",
      "landlock-scopes": "no memory files",
      seccomp: "no memory files",
      "no-new-privileges": "no memory files",
      "mount-namespace": "no memory files",
      "process-namespace": "no memory files",
      "network-namespace": "no memory files",
      reaper: "no memory files",
    });
    expect(stateOf({}, { uid: 1000 })).toMatchObject({
      "mount-namespace": "in a user namespace the command could not run as another user",
    });
    expect(stateOf({}, { write: ["/"] })).toMatchObject({ "mount-namespace": "everything may be written" });
  });

  test("the limit of processes holds where the kernel counts no others", () => {
    expect(stateOf({}, { limits })["process-limit"]).toBeNull();
    expect(stateOf({ mountNamespace: "no" }, { limits })["process-limit"]).toBe(
      "without a user namespace the kernel would count all processes of this user",
    );
    expect(stateOf({ needsUserNamespace: false }, { limits }, true)["process-limit"]).toBe(
      "the kernel's limit does not hold for root: run the pack as a user of its own",
    );
    expect(stateOf({ needsUserNamespace: false }, { limits, uid: 1000 }, true)["process-limit"]).toBeNull();
  });

  test("memory counts together where there is a control group, or somebody who waits for all of it", () => {
    const memory = { ...policy().limits, memory_bytes: 1 << 26 };
    const names = (features: Partial<KernelFeatures>, more: Partial<Policy> = {}) =>
      layersFor({ ...policy(), limits: memory, ...more }, { ...everything, ...features }, false)
        .filter(({ name }) => /memory|group|limits/.test(name))
        .map(({ name, enforced }) => `${name} ${enforced}`);
    const none = { controlGroup: "there is none" };
    expect(names({})).toEqual(["control-group true"]);
    expect(names(none)).toEqual(["control-group false", "memory-watch true"]);
    expect(names({ ...none, processNamespace: "no" })).toEqual(["control-group false", "memory-watch true"]);
    // Then the kernel's limit for each process is all there is.
    const each = ["limits true", "control-group false", "memory-watch false"];
    expect(names(none, { signals: "user" })).toEqual(each);
    expect(names({ ...none, processNamespace: "no", backEnd: "re-exec" })).toEqual(each);
    expect(names(none, { unconfined: true })).toEqual(each);
    expect(stateOf(none, { limits: memory, signals: "user" })["memory-watch"]).toBe(
      "nobody waits for all of its processes: that takes a pid namespace, or the launcher's reaper",
    );
  });

  test("with --allow-all only the limits hold", () => {
    const values = { ...policy().limits, open_files: 64 };
    const layers = layersFor({ ...policy({ allowAll: true }), limits: values }, everything, false);
    expect(layers.filter(({ enforced }) => enforced).map(({ name }) => name)).toEqual(["limits"]);
  });
});

describe("explainPolicy", () => {
  test("says what is allowed, what is denied and by what", () => {
    const permissions = {
      read: ["/etc/x"],
      write: [],
      run: [],
      net: { ...noNet, connect: [443] },
      unix: false,
    };
    const limits = { ...policy().limits, memory_bytes: 1 << 26, open_files: 64, processes: 5 };
    const lines = explanationText(
      explainPolicy(
        policy({ permissions, limits }),
        { ...everything, mountNamespace: "it is forbidden", controlGroup: "there is none" },
        false,
      ),
    );
    expect(lines).toEqual([
      "read and execute the system · allowed · landlock-files",
      "read /etc without its secrets, /proc, and the facts in /sys · allowed · landlock-files",
      "read and execute /home/store/1 · allowed · landlock-files",
      "read /etc/x · allowed · landlock-files",
      "write /home/data/p · allowed · landlock-files",
      "write /home/logs/p · allowed · landlock-files",
      "write /home/tmp/x · allowed · landlock-files",
      "connect to TCP port 443 of any host · allowed · landlock-ports",
      "read, write, create, rename or delete any other file · denied · landlock-files",
      "change modes, owners or times of files outside · open · mount-namespace is not available: it is forbidden",
      "any other TCP port · denied · landlock-ports",
      "UDP · denied · seccomp",
      "Unix sockets, but pairs of its own · denied · seccomp",
      "every other kind of socket · denied · seccomp",
      "signals to processes outside · denied · landlock-scopes",
      "memory, environment and files of processes outside · denied · landlock-files",
      "mounts, namespaces, kernel modules, BPF, keys, tracing, io_uring · denied · seccomp",
      "set-id programs and files, capabilities · denied · no-new-privileges",
      "memory of all its processes above 67108864 bytes · denied · memory-watch",
      "more than 64 open files in a process · denied · limits",
      "more than 5 processes · open · process-limit is not available: without a user namespace the kernel would count all processes of this user",
    ]);
  });

  test("with --allow-all is one line", () => {
    expect(explanationText(explainPolicy(policy({ allowAll: true }), everything, false))).toEqual([
      "anything · allowed · the operator has allowed everything (--allow-all)",
    ]);
  });
});

test("what is readable leaves out secrets, and names what lies beside them", () => {
  using place = scratch();
  const file = (name: string, mode: number) => {
    writeFileSync(join(place.path, name), "x");
    chmodSync(join(place.path, name), mode);
  };
  for (const name of ["open", "mixed", "mixed/deep", "closed"]) mkdirSync(join(place.path, name));
  file("shadow", 0o644);
  file("hosts", 0o644);
  file("open/a", 0o644);
  file("mixed/ssh_host_rsa_key", 0o600);
  file("mixed/ssh_config", 0o644);
  file("mixed/deep/a", 0o644);
  file("closed/a", 0o644);
  chmodSync(join(place.path, "closed"), 0o700);
  symlinkSync("/root", join(place.path, "link"));
  const found = readableBelow(place.path).map((path) => path.slice(place.path.length + 1));
  expect(found.toSorted()).toEqual(["hosts", "mixed/deep", "mixed/ssh_config", "open"]);
  expect(readableBelow(join(place.path, "open"))).toEqual([join(place.path, "open")]);
});

describe("controlGroupReason", () => {
  const machine = (cgroup: string, mount: string, controllers: string | undefined) => {
    const place = scratch();
    mkdirSync(join(place.path, "proc/self"), { recursive: true });
    mkdirSync(join(place.path, "cg/user/one"), { recursive: true });
    writeFileSync(join(place.path, "proc/self/cgroup"), cgroup);
    writeFileSync(join(place.path, "proc/self/mountinfo"), mount);
    if (controllers !== undefined) {
      writeFileSync(join(place.path, "cg/user/one/cgroup.controllers"), controllers);
      writeFileSync(join(place.path, "cg/user/one/cgroup.procs"), "");
    }
    return place;
  };
  const mounted = "30 23 0:26 / /cg rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";

  test.each([
    ["4:memory:/\n", mounted, undefined, "there is no control group of version 2"],
    ["0::/user/one\n", "", undefined, "there is no control group of version 2"],
    ["0::/user/one\n", mounted, "cpu memory", "the controllers for pids are not in its control group"],
    ["0::/user/one\n", mounted, "cpu memory pids\n", null],
  ])("%j", (cgroup, mount, controllers, reason) => {
    using place = machine(cgroup, mount, controllers);
    expect(controlGroupReason(place.path)).toBe(reason);
  });
});
