import { AuroraError, toAuroraError } from "../errors.ts";
import { type OwnOperationTable } from "../lifecycle/own-operations.ts";
import { settleIfIdle, withLockedHome } from "../lifecycle/settle.ts";
import { needsSettling } from "../lifecycle/settlement.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { openRegistry } from "../registry/registry.ts";
import { bootTime } from "../system/boot.ts";
import { buildInfo } from "../system/build-info.ts";
import { ensureHome } from "../system/ensure-home.ts";
import { giveBackMemory } from "../system/give-back-memory.ts";
import { type HomePaths } from "../system/home.ts";
import { notifySystemd } from "../system/notify-systemd.ts";
import { type DaemonStatus } from "./api-schema.ts";
import { callDaemon, findDaemon } from "./client.ts";
import { ConfirmationWatch } from "./confirmation-watch.ts";
import { DaemonJobs } from "./daemon-jobs.ts";
import { type DaemonHolder, daemonHolder, type DaemonLock, takeDaemonLock } from "./daemon-lock.ts";
import { listenToSignals } from "./daemon-signals.ts";
import { Daemon, type DaemonEnding } from "./daemon.ts";
import { IdleWatch } from "./idle-watch.ts";
import { ownJobs } from "./jobs/own-jobs.ts";
import { Listening } from "./listening.ts";
import { startAfterBoot, stopEverything } from "./machine-cycle.ts";
import { OneshotWatch } from "./oneshot-watch.ts";
import { OrphanReaper } from "./orphan-reaper.ts";
import { RegistryWatch } from "./registry-watch.ts";
import { RestWatch } from "./rest-watch.ts";
import { ServiceKeeper } from "./service-keeper.ts";

export type DaemonWorld = {
  paths: HomePaths;
  env: Readonly<Record<string, string | undefined>>;
  self: string;
  now: () => Date;
  info: (message: string) => void;
  warn: (message: string) => void;
  /** Called once, when it listens and has taken over what runs. */
  ready: (status: DaemonStatus) => void;
  /** It ends by itself after so long without anything to do; null: never. */
  idleExitMs: number | null;
  /** The descriptor by which the program in whose place this one was put has held the daemon's lock. */
  inheritedLock: number | undefined;
};

/** How a daemon has ended: for "become-binary", also by which descriptor its lock is held until the next program has it. */
export type DaemonEnd = { ending: DaemonEnding; lock?: number | undefined };

/** So long all services have to end when the machine or the container goes down, in milliseconds. */
const STOP_ALL_MS = 60_000;
/** A daemon that is to give its place may take so long to end, jobs that run included, in milliseconds. */
const TAKE_PLACE_MS = 20_000;
const TAKE_PLACE_POLL_MS = 10;
/** A script's change waits so long for whoever is at work on the home, in milliseconds. */
const LOCK_WAIT_MS = 10_000;

/**
 * Is the daemon of a home until it is told to end.
 *
 * @returns why it ended; for "become-binary" the caller puts the program file of now in this one's place
 * @throws {AuroraError} `conflict` where another daemon runs
 */
export async function runDaemon(world: DaemonWorld): Promise<DaemonEnd> {
  const { paths, env } = world;
  ensureHome(paths);
  const startedAt = world.now();
  using lock = await lockOrRefuse(world, startedAt);
  using registry = openRegistry(paths);
  const stopping = new AbortController();
  const workspace: Workspace = {
    paths,
    registry,
    now: world.now,
    self: world.self,
    env,
    signal: stopping.signal,
    info: world.info,
    warn: world.warn,
    // What the daemon does under the lock gets a workspace without this.
    underLock: (description, work) =>
      withLockedHome(workspace, description, LOCK_WAIT_MS, async (locked) => await apart(locked, work)),
    forWriting: async (work) => await apart(workspace, work),
    moreOwnOperations: () => Promise.resolve(ownJobs as OwnOperationTable),
  };
  const ended = Promise.withResolvers<DaemonEnding>();
  // What only a start or an answer has needed of the registry and of the program file is given back.
  using rest = new RestWatch(() => {
    registry.releaseMemory();
    keeper.gather();
    giveBackMemory();
  });
  await using keeper = new ServiceKeeper(workspace, () => {
    daemon.events.poke();
    rest.touch();
  });
  workspace.services = keeper;
  await using jobs = new DaemonJobs(workspace, () => settleAtStart(workspace));
  using confirmations = new ConfirmationWatch(workspace, () => void jobs.look());
  using _reaper = new OrphanReaper();
  using _signals = listenToSignals({
    env,
    end: ended.resolve,
    reload: () => void daemon.reload({ binary: false }),
    pass: (signal) => keeper.signalAll(signal),
  });
  // However it ends: a socket that is left would keep this process, and take the place of the next daemon's.
  await using open = new AsyncDisposableStack();
  let listening: Listening | undefined;
  const http = () => listening?.counts ?? { clients: 0, streams: 0, requests: 0 };
  using idle = new IdleWatch(world.idleExitMs, {
    isBusy: () => keeper.supervised > 0 || confirmations.isWaiting || jobs.isPending || http().clients > 0,
    onIdle: () => ended.resolve("idle"),
  });
  using oneshots = new OneshotWatch(workspace, () => daemon.events.poke());
  const begin = () => {
    confirmations.look();
    oneshots.look();
    void jobs.look();
    void beginWanted(workspace, keeper);
  };
  const reload = () => {
    notifySystemd(env["NOTIFY_SOCKET"], "RELOADING=1");
    begin();
    notifySystemd(env["NOTIFY_SOCKET"], "READY=1");
    world.info("looked at the home anew");
  };
  const { idleExitMs } = world;
  const daemon = new Daemon({ workspace, keeper, startedAt, idleExitMs, http, end: ended.resolve, reload });

  await keeper.adopt();
  await settleAtStart(workspace);
  await jobs.look();
  listening = open.use(
    new Listening({
      paths,
      daemon,
      touch: () => {
        idle.touch();
        rest.touch();
      },
      warn: world.warn,
      lock,
      onReplaced: () => ended.resolve("replaced"),
      onGone: () => ended.resolve("home-gone"),
    }),
  );
  using _watch = new RegistryWatch(paths, (change) => {
    if (change === "gone") return ended.resolve("home-gone");
    // A registry that was rebuilt is another file: whoever still has the old one open begins anew, as the same process.
    if (change === "replaced") return ended.resolve("become-binary");
    daemon.events.poke();
    void stopUnwanted(workspace, keeper);
    jobs.noticed();
    oneshots.look();
  });
  begin();
  idle.touch();
  rest.touch();
  notifySystemd(env["NOTIFY_SOCKET"], `READY=1\nMAINPID=${process.pid}`);
  world.ready(daemon.status());

  const ending = await ended.promise;
  world.info(`ending: ${ending}`);
  if (ending !== "become-binary") notifySystemd(env["NOTIFY_SOCKET"], "STOPPING=1");
  await open.disposeAsync();
  stopping.abort("SIGTERM");
  if (ending === "stop-services") await stopEverything(workspace, keeper, STOP_ALL_MS);
  return ending === "become-binary" ? { ending, lock: lock.handOver() } : { ending };
}

/** With a connection of its own, so that the daemon notices the change as it does another process's. */
async function apart<T>(workspace: Workspace, work: (apart: Workspace) => T | Promise<T>): Promise<T> {
  using registry = openRegistry(workspace.paths);
  return await work({ ...workspace, registry });
}

/** Starts what is wanted and is not there, whatever becomes of it. */
async function beginWanted(workspace: Workspace, keeper: ServiceKeeper): Promise<void> {
  try {
    await keeper.startMissing();
    await startAfterBoot(workspace, keeper, process.pid === 1);
  } catch (thrown) {
    workspace.warn(`cannot start what is wanted: ${toAuroraError(thrown).message}`);
  }
}

/** Stops what is not wanted any more, whatever becomes of it. */
async function stopUnwanted(workspace: Workspace, keeper: ServiceKeeper): Promise<void> {
  try {
    await keeper.stopUnwanted();
  } catch (thrown) {
    workspace.warn(toAuroraError(thrown).message);
  }
}

async function lockOrRefuse(
  {
    paths,
    idleExitMs,
    inheritedLock,
    info,
  }: Pick<DaemonWorld, "paths" | "idleExitMs" | "inheritedLock" | "info">,
  startedAt: Date,
): Promise<DaemonLock> {
  const holder = { pid: process.pid, version: buildInfo().version, started_at: startedAt.toISOString() };
  const free = await takeDaemonLock(paths, holder, inheritedLock);
  if (free) return free;
  const taken = idleExitMs === null ? await takePlace(paths, holder, info) : undefined;
  if (taken) return taken;
  const other = daemonHolder(paths);
  throw new AuroraError(
    "conflict",
    `cannot start the daemon: one is running for this home${other ? ` (pid ${other.pid})` : ""}`,
    { hint: "aurora daemon status shows it" },
  );
}

/**
 * A daemon that a command has started gives its place to one that somebody has set up, with systemd for example: else that one could
 * not be while there is a service. Services go on meanwhile.
 *
 * @returns undefined where the other one was set up as well, or does not end
 */
async function takePlace(
  paths: HomePaths,
  holder: DaemonHolder,
  info: DaemonWorld["info"],
): Promise<DaemonLock | undefined> {
  const late = AbortSignal.timeout(TAKE_PLACE_MS);
  let isAsked = false;
  while (!late.aborted) {
    try {
      const other = await findDaemon(paths, late);
      if (other?.idle_exit_seconds === null) return undefined;
      if (other && !isAsked) {
        info(`takes the place of the daemon that a command has started (pid ${other.pid})`);
        await callDaemon(paths, "POST", "/v1/daemon/stop", { body: {}, signal: late, atOnce: true });
        isAsked = true;
      }
    } catch (thrown) {
      if (!(thrown instanceof AuroraError)) throw thrown;
    }
    const lock = await takeDaemonLock(paths, holder);
    if (lock) return lock;
    await Bun.sleep(TAKE_PLACE_POLL_MS);
  }
  return undefined;
}

/**
 * Finishes what a crash has left, where nobody is at work: a command that is will do the same. Where it cannot be done now,
 * on a full disk for example, the services need their daemon all the same.
 */
async function settleAtStart(workspace: Workspace): Promise<void> {
  try {
    if (!needsSettling(workspace, bootTime, workspace.now())) return;
    await settleIfIdle(workspace);
  } catch (thrown) {
    if (!(thrown instanceof AuroraError)) throw thrown;
    workspace.warn(thrown.message);
  }
}
