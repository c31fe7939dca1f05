import { existsSync, rmSync, watch } from "node:fs";

import { AuroraError } from "../errors.ts";
import { tryHomeLock } from "../lifecycle/home-lock.ts";
import { settle } from "../lifecycle/settle.ts";
import { needsSettling } from "../lifecycle/settlement.ts";
import { type Workspace } from "../lifecycle/workspace.ts";
import { openRegistry } from "../registry/registry.ts";
import { bootTime } from "../system/boot.ts";
import { buildInfo } from "../system/build-info.ts";
import { ensureHome } from "../system/ensure-home.ts";
import { type HomePaths } from "../system/home.ts";
import { notifySystemd } from "../system/notify-systemd.ts";
import { type DaemonStatus } from "./api-schema.ts";
import { answerRequest, protocolErrorBody } from "./api.ts";
import { ConfirmationWatch } from "./confirmation-watch.ts";
import { DaemonJobs } from "./daemon-jobs.ts";
import { daemonHolder, takeDaemonLock } from "./daemon-lock.ts";
import { Daemon, type DaemonEnding } from "./daemon.ts";
import { HTTP_LIMITS } from "./http/limits.ts";
import { HttpServer } from "./http/serve-http.ts";
import { IdleWatch } from "./idle-watch.ts";
import { startAfterBoot, stopEverything } from "./machine-cycle.ts";
import { isMachineGoingDown } from "./machine-going-down.ts";
import { OrphanReaper } from "./orphan-reaper.ts";
import { ServiceKeeper } from "./service-keeper.ts";
import { socketPath } from "./socket-path.ts";

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
};

/** So long all services have to end when the machine or the container goes down, in milliseconds. */
const STOP_ALL_MS = 60_000;

/**
 * Is the daemon of a home until it is told to end.
 *
 * @returns why it ended; for "become-binary" the caller puts the program file of now in this one's place
 * @throws {AuroraError} `conflict` where another daemon runs
 */
export async function runDaemon(world: DaemonWorld): Promise<DaemonEnding> {
  const { paths, env } = world;
  ensureHome(paths);
  const startedAt = world.now();
  using _lock = await lockOrRefuse(paths, startedAt);
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
  };
  const ended = Promise.withResolvers<DaemonEnding>();
  using _signals = listenToSignals(env, ended.resolve, () => reload());
  await using keeper = new ServiceKeeper(workspace, () => daemon.events.poke());
  workspace.services = keeper;
  using confirmations = new ConfirmationWatch(workspace, () => void jobs.look());
  let server: HttpServer | undefined;
  const http = () => server?.counts ?? { clients: 0, streams: 0, requests: 0 };
  await using jobs = new DaemonJobs(workspace, () => settleAtStart(workspace));
  using _reaper = new OrphanReaper();
  using idle = new IdleWatch(world.idleExitMs, {
    isBusy: () => keeper.supervised > 0 || confirmations.isWaiting || jobs.isPending || http().clients > 0,
    onIdle: () => ended.resolve("idle"),
  });
  const beginWanted = async () => {
    try {
      await keeper.startMissing();
      await startAfterBoot(workspace, keeper, process.pid === 1);
    } catch (thrown) {
      world.warn(`cannot start what is wanted: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    }
  };
  const reload = () => {
    notifySystemd(env["NOTIFY_SOCKET"], "RELOADING=1");
    confirmations.look();
    void jobs.look();
    void beginWanted();
    notifySystemd(env["NOTIFY_SOCKET"], "READY=1");
    world.info("looked at the home anew");
  };
  const daemon = new Daemon({
    workspace,
    keeper,
    startedAt,
    idleExitMs: world.idleExitMs,
    http,
    end: ended.resolve,
    reload,
  });

  await keeper.adopt();
  await settleAtStart(workspace);
  await jobs.begin();
  let isEnding = false;
  const listen = () => {
    if (isEnding) return;
    void server?.[Symbol.asyncDispose]();
    server = openServer(world, daemon, idle);
  };
  listen();
  using _watch = watchSocket(paths, listen, () => ended.resolve("home-gone"));
  void beginWanted();
  confirmations.look();
  idle.touch();
  notifySystemd(env["NOTIFY_SOCKET"], `READY=1\nMAINPID=${process.pid}`);
  world.ready(daemon.status());

  const ending = await ended.promise;
  isEnding = true;
  world.info(`ending: ${ending}`);
  if (ending !== "become-binary") notifySystemd(env["NOTIFY_SOCKET"], "STOPPING=1");
  await server?.[Symbol.asyncDispose]();
  if (ending === "stop-services") await stopEverything(workspace, keeper, STOP_ALL_MS);
  stopping.abort("SIGTERM");
  return ending;
}

async function lockOrRefuse(paths: HomePaths, startedAt: Date): Promise<Disposable> {
  const holder = { pid: process.pid, version: buildInfo().version, started_at: startedAt.toISOString() };
  const lock = await takeDaemonLock(paths, holder);
  if (lock) return lock;
  const other = daemonHolder(paths);
  throw new AuroraError(
    "conflict",
    `cannot start the daemon: one is running for this home${other ? ` (pid ${other.pid})` : ""}`,
    { hint: "aurora daemon status shows it" },
  );
}

/** Finishes what a crash has left, where nobody is at work: a command that is will do the same. */
async function settleAtStart(workspace: Workspace): Promise<void> {
  if (!needsSettling(workspace, bootTime, workspace.now())) return;
  using lock = tryHomeLock(workspace, "recover");
  if (lock) await settle({ ...workspace, lockToken: lock.token });
}

function openServer({ paths, warn }: DaemonWorld, daemon: Daemon, idle: IdleWatch): HttpServer {
  const path = socketPath(paths);
  // The lock says that there is no other daemon: what lies there was left by a dead one.
  rmSync(path, { force: true });
  const uid = process.getuid?.() ?? 0;
  return new HttpServer({
    path,
    limits: HTTP_LIMITS,
    isAllowed: (peer) => peer.uid === uid || peer.uid === 0,
    handle: async (request) => {
      idle.touch();
      try {
        return await answerRequest(daemon, request);
      } finally {
        idle.touch();
      }
    },
    errorBody: protocolErrorBody,
    onBug: (thrown) => warn(thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)),
  });
}

/** Without its socket nobody finds the daemon: it listens anew, or ends where the whole home is gone. */
function watchSocket(paths: HomePaths, listen: () => void, gone: () => void): Disposable {
  const watcher = watch(paths.run, { persistent: false }, (_event, name) => {
    if (name !== null && name !== "aurora.sock" && existsSync(paths.run)) return;
    if (existsSync(socketPath(paths))) return;
    if (existsSync(paths.database) && existsSync(paths.run)) listen();
    else gone();
  });
  watcher.on("error", gone);
  return { [Symbol.dispose]: () => watcher.close() };
}

/**
 * SIGTERM and SIGINT end the daemon, and services live on; as process 1, and where the machine goes down, they are stopped
 * first, since nothing outlives that. SIGHUP looks at the home anew.
 */
function listenToSignals(
  env: DaemonWorld["env"],
  end: (ending: DaemonEnding) => void,
  reload: () => void,
): Disposable {
  const terminate = () => {
    if (process.pid === 1) return end("stop-services");
    void isMachineGoingDown(env).then((isGoingDown) => end(isGoingDown ? "stop-services" : "stop"));
  };
  process.on("SIGTERM", terminate);
  process.on("SIGINT", terminate);
  process.on("SIGHUP", reload);
  return {
    [Symbol.dispose]() {
      process.off("SIGTERM", terminate);
      process.off("SIGINT", terminate);
      process.off("SIGHUP", reload);
    },
  };
}
