import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import { probeKernel } from "../../../../src/process/confinement/kernel.ts";
import { scratch } from "../../../support/aurora.ts";
import { AttackRange, compileAttack } from "./attack-range.ts";
import { attacks } from "./attack-table.ts";
import { type Measurement } from "./measure-attacks.ts";

const isRoot = process.geteuid?.() === 0;
const canRun = process.platform === "linux" && Bun.which("gcc") !== null;
const NOBODY = 65_534;
/** Of a kernel that does not have what is attacked: the filter's answer is another one. */
const NOT_THERE = [38, 93, 97];
/** A thousand starts, a tenth of them of a whole runtime. */
const MEASURING_MS = 300_000;
const ENOSYS = 38;
const EPERM = 1;
const EACCES = 13;

let directory: ReturnType<typeof scratch>;
let program: string;

beforeAll(() => {
  if (!canRun) return;
  directory = scratch();
  chmodSync(directory.path, 0o755);
  program = join(directory.path, "attack");
  compileAttack(program);
});
afterAll(() => directory?.[Symbol.dispose]());

/** Runs the whole table in a process of its own, so that root can have it done by somebody else as well. */
function measure(name: string, prefix: readonly string[]): Measurement {
  const place = join(directory.path, name);
  mkdirSync(place);
  chmodSync(place, 0o777);
  const script = join(import.meta.dir, "measure-attacks.ts");
  const argv = [...prefix, process.execPath, script, program, place];
  const { stdout, stderr, exitCode } = Bun.spawnSync(argv, { stdout: "pipe", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(stderr.toString());
  return JSON.parse(stdout.toString()) as Measurement;
}

function describeAttacks(who: string, asRoot: boolean, prefix: readonly string[]): void {
  let measured: Measurement;
  beforeAll(() => {
    measured = measure(who.replaceAll(" ", "-"), prefix);
  }, MEASURING_MS);

  test.each(attacks)(`$name, as ${who}: $by $always`, ({ name, by, needsRoot, always, needsLauncher }) => {
    const { features } = measured;
    const outcome = measured.outcomes[name];
    if (outcome === undefined) throw new Error(`"${name}" was not tried`);
    const isImpossible = needsRoot === true && !asRoot;
    // This kernel is older than the call, and the filter says the same of it.
    if (outcome.none === ENOSYS && outcome.all === ENOSYS) return;
    const isAbsent = NOT_THERE.includes(outcome.none);
    // The control: an attack that does not work unconfined either would prove nothing.
    if (!isAbsent)
      expect(outcome.none === 0, `unconfined it ends with errno ${outcome.none}`).toBe(!isImpossible);
    if (isImpossible) return expect(outcome.all).not.toBe(0);

    const isAlways = always === "everybody" || (always === "root" && asRoot);
    if (isAlways) expect(outcome.start).not.toBe(0);
    const layers = {
      landlock: features.landlock,
      seccomp: features.seccomp,
      "mount-namespace": features.mountNamespace,
      "process-namespace": features.processNamespace,
      "network-namespace": features.networkNamespace,
    };
    const isUnlimited = name === "fork-bomb" && asRoot;
    const stoppers = by.filter((layer) => layers[layer] === null && !isUnlimited);
    const stops = (layer: keyof typeof layers) =>
      stoppers.includes(layer) ||
      // The others come with it.
      (/^(process|network)-/.test(layer) && stoppers.includes("mount-namespace"));
    const isStopped = (errno: number) => (isAbsent ? [EPERM, EACCES].includes(errno) : errno !== 0);
    if (!isAlways)
      for (const [layer, reason] of Object.entries(layers) as [keyof typeof layers, string | null][])
        if (reason === null) expect(isStopped(outcome[layer]), `${layer} alone`).toBe(stops(layer));
    expect(isStopped(outcome.all), "all layers").toBe(isAlways || stoppers.length > 0);
    if (outcome["own-user"] !== undefined)
      expect(isStopped(outcome["own-user"]), "as a user of its own").toBe(
        isAlways || by.length > 0 || name === "premade-link",
      );
    expect(isStopped(outcome["re-exec"]), "without the launcher").toBe(
      (isAlways && !needsLauncher) || stops("landlock") || stops("seccomp"),
    );
  });
}

describe.skipIf(!canRun)("attacks", () => {
  describeAttacks(isRoot ? "root" : "an ordinary user", isRoot, []);
});

describe.skipIf(!canRun || !isRoot || Bun.which("setpriv") === null)(
  "attacks, without privileges (needs root)",
  () => {
    const ids = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
    describeAttacks("an ordinary user", false, ["setpriv", ...ids]);
  },
);

describe.skipIf(!canRun)("with something granted", () => {
  let range: AttackRange;
  beforeAll(async () => {
    const place = join(directory.path, "granted");
    mkdirSync(place);
    range = new AttackRange(program, place);
    await range.open();
  });
  afterAll(async () => await range[Symbol.asyncDispose]());
  const features = probeKernel();
  const attempt = async (name: string, permissions: Parameters<AttackRange["policy"]>[0]) =>
    await range.try(name, range.policy(permissions), features);
  const net = (more: { connect?: number[]; listen?: number[]; udp?: boolean }) => ({
    net: { connect: [], listen: [], udp: false, ...more },
  });

  test("a port to connect to is that port and no other way", async () => {
    const granted = net({ connect: [range.ports[0]] });
    expect(await attempt("tcp-connect", granted)).toBe(0);
    expect(await attempt("netlink", granted)).toBe(0);
    const fast = ["tcp-fast-open", "tcp-fast-open-message", "mptcp-connect"];
    const others = ["udp-send", "udp-ipv6", "raw-socket", "sctp", "netlink-audit", "unix-path"];
    for (const name of [
      "tcp-connect-other",
      "tcp-connect-other-ipv6",
      "tcp-bind",
      "tcp-listen-unbound",
      ...fast,
      ...others,
    ])
      expect(await attempt(name, granted), name).not.toBe(0);
  });

  test("UDP is no other protocol", async () => {
    const granted = net({ udp: true });
    expect(await attempt("udp-send", granted)).toBe(0);
    expect(await attempt("udp-ipv6", granted)).toBe(0);
    for (const name of [
      "tcp-connect",
      "mptcp-connect",
      "raw-socket",
      "packet-socket",
      "vsock",
      "unix-datagram",
    ])
      expect(await attempt(name, granted), name).not.toBe(0);
  });

  test("Unix sockets are all of them, and no internet", async () => {
    for (const name of ["unix-path", "unix-datagram", "unix-abstract", "unix-pair-datagram"])
      expect(await attempt(name, { unix: true }), name).toBe(0);
    for (const name of ["tcp-connect", "udp-send", "netlink"])
      expect(await attempt(name, { unix: true }), name).not.toBe(0);
  });

  test("a service that notifies has datagrams and no connections", async () => {
    const policy = { ...range.policy(), notify: true };
    expect(await range.try("unix-datagram", policy, features)).toBe(0);
    expect(await range.try("unix-path", policy, features)).not.toBe(0);
    expect(await range.try("tcp-connect", policy, features)).not.toBe(0);
  });

  test("signals to its user's processes are signals and nothing else", async () => {
    const policy = { ...range.policy(), signals: "user" as const };
    expect(await range.try("kill", policy, features)).toBe(0);
    expect(await range.try("ptrace", policy, features)).not.toBe(0);
    expect(await range.try("proc-environment", policy, features)).not.toBe(0);
  });

  test("data that may be executed is executed", async () => {
    const { path } = { path: range.policy().write[0] as string };
    expect(await attempt("execute-data", { run: [path] })).toBe(0);
    expect(await attempt("execute", { run: [path] })).not.toBe(0);
  });

  test.skipIf(!isRoot)("a user of its own cannot do what root's files allow (needs root)", async () => {
    const policy = { ...range.policy({}, { processes: 30 }), uid: 54_321, namespaces: false };
    for (const name of ["chmod", "utimes", "kill", "shadow", "fork-bomb"])
      expect(await range.try(name, policy, features), name).not.toBe(0);
  });
});

describe.skipIf(!canRun)("on older kernels", () => {
  let range: AttackRange;
  beforeAll(async () => {
    const place = join(directory.path, "older");
    mkdirSync(place);
    range = new AttackRange(program, place);
    await range.open();
  });
  afterAll(async () => await range[Symbol.asyncDispose]());
  const features = probeKernel();
  const abis = Array.from({ length: features.landlockAbi }, (_, index) => index + 1);
  const withAbi = (landlockAbi: number) => ({ ...features, landlockAbi, mountNamespace: "not here" });

  test.each(abis)("Landlock ABI %d keeps files, and says what it does not keep", async (abi) => {
    const policy = range.policy();
    for (const name of ["read", "write", "truncate", "rename-in", "link-out", "tcp-connect", "unix-path"])
      expect(await range.try(name, policy, withAbi(abi)), name).not.toBe(0);
    expect((await range.try("kill", policy, withAbi(abi))) === 0).toBe(abi < 6);
  });

  test.each(abis.filter((abi) => abi < 4))("ABI %d cannot tell ports apart, and says so", async (abi) => {
    const policy = range.policy({ net: { connect: [range.ports[0]], listen: [], udp: false } });
    expect(await range.try("tcp-connect-other", policy, withAbi(abi))).toBe(0);
    expect(await range.try("udp-send", policy, withAbi(abi))).not.toBe(0);
  });
});
