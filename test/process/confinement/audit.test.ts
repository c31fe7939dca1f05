import { afterAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { auditLayers, AuditLog, landlockAuditReason } from "../../../src/process/confinement/audit.ts";
import { prepareConfinement } from "../../../src/process/confinement/confine.ts";
import { nothing, probeKernel } from "../../../src/process/confinement/kernel.ts";
import { type Layer, layersFor } from "../../../src/process/confinement/layers.ts";
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
    const { layers, coverage } = auditLayers(
      layersFor(policy, { ...kernel, ...namespaces }, false),
      "nobody listens",
    );
    const stateOf = Object.fromEntries(coverage.map(({ layer, state, reason }) => [layer, [state, reason]]));
    expect(stateOf).toMatchObject({
      seccomp: ["reported", null],
      limits: ["enforced", null],
      "landlock-files": ["untold", "Landlock can only refuse, and nobody listens"],
      "mount-namespace": ["untold", "a read-only mount can only refuse"],
      "process-namespace": ["untold", "no /proc"],
    });
    expect(layers.filter(({ enforced }) => enforced).map(({ name }) => name)).toEqual(["reaper", "limits"]);
    expect(layers.find(({ name }) => name === "seccomp")?.reason).toBe(
      "this is an audit: what it would refuse is reported",
    );
  });

  test("keeps Landlock where what it refuses is told", () => {
    const kernel = { ...features, launcher: null, seccomp: null, landlock: null, landlockAbi: 7 };
    const all = layersFor(policyIn("/home"), kernel, false);
    const { layers, coverage } = auditLayers(all, null);
    expect(coverage.filter(({ state }) => state === "refused").map(({ layer }) => layer)).toEqual([
      "landlock-files",
      "landlock-scopes",
    ]);
    expect(layers.find(({ name }) => name === "landlock-files")).toEqual(
      all.find(({ name }) => name === "landlock-files") as Layer,
    );
    const without = auditLayers(layersFor(policyIn("/home"), { ...kernel, seccomp: "none" }, false), null);
    expect(without.coverage.find(({ layer }) => layer === "landlock-files")).toEqual({
      layer: "landlock-files",
      state: "untold",
      reason: "Landlock can only refuse, and there is no audit without the filter for system calls",
    });
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

  test("does what the policy would refuse, but for what Landlock refuses and tells", async () => {
    using started = start(`echo x > ${home}/outside && chmod 4755 ${home}/outside`);
    await started.child.exited;
    expect(existsSync(join(home, "outside"))).toBe(landlockAuditReason(features.landlockAbi) !== null);
  });

  const reported = async (script: string) => {
    using log = new AuditLog();
    using started = start(script);
    expect(await started.child.exited).toBe(0);
    return log.read(process.arch as Arch);
  };

  test("has every report, however many there are at once", async () => {
    const found = await reported("mkdir a && for n in $(seq 100); do chmod 2755 a; done; rmdir a");
    if (found.reports === undefined)
      return expect(found.reason).toBeOneOf(["operation not permitted", "ECONNREFUSED"]);
    expect(found.isComplete).toBe(true);
    const own = found.reports.filter(
      ({ command, call }) => command === "chmod" && /^f?chmod/.test(call ?? ""),
    );
    expect(own.length).toBeGreaterThanOrEqual(100);
  });
});
