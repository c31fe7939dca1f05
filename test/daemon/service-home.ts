import { existsSync, readdirSync, readFileSync } from "node:fs";

import { type ApiEvent } from "../../src/daemon/api-schema.ts";
import { type PackStatus } from "../../src/lifecycle/pack-status.ts";
import { readProcess } from "../../src/system/process-table.ts";
import { eventually } from "../support/eventually.ts";
import { daemonPid, hasEnded, testHome } from "../support/test-home.ts";
import { type TestPack } from "../support/test-pack.ts";

/** A service that stays in the foreground and says so. */
const foreground = 'echo "up $$"\nexec sleep 300';

/** A pack whose start is supervised; no health check unless a test wants one. */
export function simplePack(pack: Partial<TestPack> & { service?: string } = {}): TestPack {
  const { service = "", manifest, ...rest } = pack;
  return {
    id: "app",
    install: null,
    start: foreground,
    stop: null,
    health: null,
    ...rest,
    manifest: [
      `  service: { type: simple, backoff_seconds: [0.05, 0.2], stop_timeout_seconds: 5${service} }`,
      ...(manifest === undefined ? [] : [manifest]),
    ].join("\n"),
  };
}

/** A home whose services are looked at from outside. */
export function serviceHome(options?: Parameters<typeof testHome>[0]) {
  const t = testHome(options);
  const status = async (packId = "app") =>
    ((await t.json(["status", packId])).value as [PackStatus] | undefined)?.[0] as PackStatus;
  return {
    ...t,
    status,
    /** Waits until the status of a pack is as wanted. */
    reaches: (what: string, isIt: (status: PackStatus) => boolean, packId = "app") =>
      eventually(what, async () => {
        const now = await status(packId);
        return isIt(now) ? now : undefined;
      }),
    daemonPid: () => daemonPid(t.home),
    events: async (packId = "app") =>
      ((await t.json(["events", packId, "-n", "1000"])).value as ApiEvent[]).map(({ kind }) => kind),
    /**
     * The living first processes of a pack's service, by their environment: where it has a pid namespace, that is the relay
     * outside, and what it has below it does not count.
     */
    processesOf: (packId = "app") => processesOf(t.home, packId),
    /** Ends the daemon as a crash does, and waits until it is gone. */
    crashDaemon: async () => {
      const pid = daemonPid(t.home) as number;
      process.kill(pid, "SIGKILL");
      await eventually("the end of the daemon", () => hasEnded(pid) || undefined);
    },
    log: (packId = "app") => logOf(t.home, packId),
    /** Waits until what a service has printed is as wanted: it runs before it has got to its first line. */
    prints: (what: RegExp, packId = "app") =>
      eventually(`${what} in its log`, () => what.test(logOf(t.home, packId)) || undefined),
  };
}

function logOf(home: string, packId: string): string {
  const path = `${home}/logs/${packId}/service.stdout.log`;
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

function processesOf(home: string, packId: string): number[] {
  const all = readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        const env = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
        return (
          env.includes(`AURORA_HOME=${home}`) &&
          env.includes(`AURORA_PACK_ID=${packId}`) &&
          env.some((text) => text.startsWith("AURORA_SERVICE=")) &&
          !hasEnded(pid)
        );
      } catch {
        return false;
      }
    });
  return all.filter((pid) => !all.includes(readProcess(pid)?.parent ?? 0));
}
