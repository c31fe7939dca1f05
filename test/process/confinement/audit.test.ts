import { afterAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";

import {
  auditLayers,
  AuditLog,
  type AuditReport,
  type AuditReports,
  parseReports,
} from "../../../src/process/confinement/audit.ts";
import { prepareConfinement } from "../../../src/process/confinement/confine.ts";
import { nothing, probeKernel } from "../../../src/process/confinement/kernel.ts";
import { layersFor } from "../../../src/process/confinement/layers.ts";
import { spawnConfined } from "../../../src/process/confinement/spawn-confined.ts";
import { type Arch } from "../../../src/process/confinement/system-calls.ts";
import { confinedHome, policyIn } from "./confined-home.ts";

const features = probeKernel();
const canAudit = features.launcher === null && features.seccomp === null;

const place = confinedHome();
const home = place.path;
afterAll(() => place[Symbol.dispose]());

describe("auditLayers", () => {
  test("says of each layer what can be told, and enforces only what hurts nobody", () => {
    const kernel = { ...features, launcher: null, seccomp: null, landlock: null, landlockAbi: 6 };
    const namespaces = { mountNamespace: null, processNamespace: "no /proc", networkNamespace: null };
    const policy = policyIn("/home", {}, { open_files: 10 });
    const { layers, coverage } = auditLayers(layersFor(policy, { ...kernel, ...namespaces }, false));
    const stateOf = Object.fromEntries(coverage.map(({ layer, state, reason }) => [layer, [state, reason]]));
    expect(stateOf).toMatchObject({
      seccomp: ["reported", null],
      limits: ["enforced", null],
      "landlock-files": ["untold", "Landlock can only refuse: it has no mode in which it reports"],
      "mount-namespace": ["untold", "a read-only mount can only refuse"],
      "process-namespace": ["untold", "no /proc"],
    });
    expect(layers.filter(({ enforced }) => enforced).map(({ name }) => name)).toEqual(["reaper", "limits"]);
    expect(layers.find(({ name }) => name === "seccomp")?.reason).toBe(
      "this is an audit: what it would refuse is reported",
    );
  });

  test("where there is nothing, nothing can be told", () => {
    const { audit, launch } = prepareConfinement(policyIn(home), nothing(null, "it needs Linux"), {
      required: false,
      audit: true,
    });
    expect(launch).toBeNull();
    expect(audit?.every(({ state, reason }) => state === "untold" && reason === "it needs Linux")).toBe(true);
  });
});

describe("parseReports", () => {
  const line = (comm: string, call: number, code: string) =>
    `6,1,2,-;audit: type=1326 audit(1.2:3): auid=1 uid=0 gid=0 ses=1 pid=42 comm=${comm} exe="/bin/x" sig=0 arch=c000003e syscall=${call} compat=0 ip=0x1 code=${code}`;

  test("names the process and the call", () => {
    expect(
      parseReports(
        [
          line('"nc"', 41, "0x7ffc0000"),
          line("6120622263", 101, "0x7ffc0000"),
          line('"other"', 41, "0x50001"),
          "6,1,2,-;something else",
        ],
        "x64",
      ),
    ).toEqual({
      reports: [
        { pid: 42, command: "nc", call: "socket" },
        { pid: 42, command: 'a b"c', call: "ptrace" },
      ],
      isComplete: true,
    });
  });

  test("says where lines were left out", () => {
    expect(parseReports(["4,1,2,-;audit: audit_lost=4 audit_rate_limit=0"], "x64")).toEqual({
      reports: [],
      isComplete: false,
    });
  });
});

describe.skipIf(!canAudit)("an audit run", () => {
  const start = (script: string) => {
    const confinement = prepareConfinement(policyIn(home), features, { required: false, audit: true });
    return spawnConfined(
      {
        argv: ["sh", "-c", script],
        cwd: join(home, "data"),
        env: { PATH: "/usr/bin:/bin" },
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
        newSession: true,
      },
      confinement,
    );
  };

  test("does what the policy would refuse", async () => {
    using started = start(`echo x > ${home}/outside && chmod 4755 ${home}/outside`);
    expect(await started.child.exited).toBe(0);
    expect(existsSync(join(home, "outside"))).toBe(true);
  });

  const isReadable = process.geteuid?.() === 0 && existsSync("/dev/kmsg") && !existsSync("/run/auditd.pid");
  test.skipIf(!isReadable)("is reported in the kernel's log", async () => {
    using log = new AuditLog();
    // The kernel writes it when it gets round to it; it also drops lines where there are too many, and says so with a later one.
    for (let n = 0; ; n++) {
      using started = start(`mkdir a${n} && chmod 2755 a${n}`);
      expect(await started.child.exited).toBe(0);
      const { reports, isComplete } = log.read(process.arch as Arch) as AuditReports & {
        reports: AuditReport[];
      };
      if (!isComplete || reports.some(({ command, call }) => command === "chmod" && /^f?chmod/.test(call)))
        break;
      await Bun.sleep(5);
    }
  });

  test("has its reason where the log cannot be read", () => {
    using log = new AuditLog("/no/such/log");
    expect(log.read("x64")).toEqual({
      reports: undefined,
      reason: 'cannot read "/no/such/log": no such file or directory',
    });
  });
});
