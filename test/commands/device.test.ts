import { expect, test } from "bun:test";
import { release } from "node:os";

import { aurora, auroraCommand } from "../support/aurora.ts";

test("--json has every documented fact", async () => {
  const { stdout, stderr, exitCode } = await aurora(["device", "--json"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  const { container, ...device } = JSON.parse(stdout) as { cpus: number; container: string | null };
  expect(["string", "object"]).toContain(typeof container);
  expect(device).toEqual({
    os: process.platform,
    arch: process.arch,
    libc: { name: expect.stringMatching(/^(glibc|musl)$/), version: expect.stringMatching(/^\d+\.\d+/) },
    kernel: release(),
    cpus: expect.any(Number),
    cpu_model: expect.any(String),
    memory_bytes: expect.any(Number),
    gpus: expect.any(Array),
    init: expect.any(String),
    confinement: {
      enforced: [],
      available: {
        landlock_abi: expect.any(Number),
        seccomp: true,
        user_namespaces: expect.any(Boolean),
        cgroup_v2: expect.any(Boolean),
      },
    },
  } as never);
  expect(device.cpus).toBeLessThanOrEqual(navigator.hardwareConcurrency);
});

test("affinity counts: only what may be used", async () => {
  const child = Bun.spawnSync(["taskset", "-c", "0", ...auroraCommand, "device", "--json"], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent" },
  });
  expect(JSON.parse(child.stdout.toString())).toMatchObject({ cpus: 1 });
});

test("for people, one fact a line; what does not confine says so", async () => {
  const { stdout, exitCode } = await aurora(["device"]);
  expect(exitCode).toBe(0);
  expect(stdout.split("\n").map((line) => line.split("  ")[0])).toEqual([
    "os",
    "kernel",
    "libc",
    "cpus",
    "memory",
    "gpus",
    "init",
    "container",
    "confined",
    "kernel has",
    "",
  ]);
  expect(stdout).toContain("confined    packs run unconfined in this build\n");
});
