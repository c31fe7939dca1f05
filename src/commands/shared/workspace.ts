import { daemonHolder } from "../../daemon/daemon-lock.ts";
import { AuroraError, toAuroraError } from "../../errors.ts";
import { holdForLook, isInsideLock } from "../../lifecycle/home-lock.ts";
import { type OwnOperationTable } from "../../lifecycle/own-operations.ts";
import { isPassingError } from "../../lifecycle/passing-error.ts";
import { type ServiceHost } from "../../lifecycle/service-host.ts";
import { settleIfIdle, withLockedHome } from "../../lifecycle/settle.ts";
import { needsSettling } from "../../lifecycle/settlement.ts";
import { type Workspace } from "../../lifecycle/workspace.ts";
import { openRegistry, openRegistryForReading, type Registry } from "../../registry/registry.ts";
import { bootTime } from "../../system/boot.ts";
import { ensureHome, isHomeWritable } from "../../system/ensure-home.ts";
import { type HomePaths, homePaths } from "../../system/home.ts";
import { type Context } from "../command.ts";
import { PACK_ID } from "./sources.ts";

type Open = Workspace & Disposable;

/**
 * Opens the home for a command that only looks. A home that does not exist reads as empty and is not created. What a crash
 * has left is brought to its end first, where this user may do that.
 */
export async function openForReading(context: Context): Promise<Open> {
  refuseConfined(context);
  const paths = homePaths(context.home);
  const registry = openRegistryForReading(paths);
  if (
    !isInsideTransaction(context) &&
    isHomeWritable(paths) &&
    needsSettling({ registry, paths }, bootTime, context.now())
  ) {
    registry[Symbol.dispose]();
    await settleFirst(context, paths);
    return workspaceOf(context, paths, openRegistryForReading(paths));
  }
  return workspaceOf(context, paths, registry);
}

/** Opens the home for a command that writes, creating it on first use. Does not take the lock. */
export function openForWriting(context: Context): Open {
  refuseConfined(context);
  const paths = homePaths(context.home);
  ensureHome(paths);
  return workspaceOf(context, paths, openRegistry(paths));
}

/**
 * Opens the home, takes its lock, finishes what a crash has left, and then does `work`: how everything runs that changes
 * what is live.
 *
 * @param description what is to be done, for those who wait: "install pack03_os_base"
 */
export async function withHomeLock<T>(
  context: Context,
  description: string,
  work: (workspace: Workspace) => Promise<T>,
): Promise<T> {
  refuseInsideTransaction(context, description);
  using workspace = openForWriting(context);
  return await withLockedHome(workspace, description, context.waitMs, work);
}

/**
 * Looks at the home under its lock, where that is free and nothing has been interrupted: what a command finds to be so already it
 * need not do, and so needs nothing of what a change takes.
 *
 * @returns what `look` returns; undefined where one cannot look so: then it is to be done as if nobody had looked
 */
export function lookUnderLock<T>(context: Context, look: (workspace: Workspace) => T): T | undefined {
  const paths = homePaths(context.home);
  if (isConfined(context) || isInsideTransaction(context) || !isHomeWritable(paths)) return undefined;
  using registry = openRegistryForReading(paths);
  using lock = holdForLook(paths);
  if (!lock || needsSettling({ registry, paths }, bootTime, context.now())) return undefined;
  return look(workspaceOf(context, paths, registry));
}

/**
 * For the small changes that a pack's script may make while the transaction that runs it holds the lock: inside a
 * transaction the caller is part of it, and its changes go back with it; outside it waits for the lock.
 */
export async function withOwnOrHomeLock<T>(
  context: Context,
  description: string,
  work: (workspace: Workspace) => T | Promise<T>,
): Promise<T> {
  if (!isInsideTransaction(context))
    return await withHomeLock(context, description, async (workspace) => await work(workspace));
  using workspace = openForWriting(context);
  delete workspace.underLock;
  return await work(workspace);
}

/**
 * A confined script reaches its own pack and nothing else of the home: better said than found out by a file that cannot be
 * opened.
 *
 * @throws {AuroraError} `denied`
 */
function refuseConfined(context: Context, description = "use the home"): void {
  if (!isConfined(context)) return;
  throw new AuroraError("denied", `cannot ${description}: this is called from a pack's confined script`, {
    hint: "a script may use aurora vfs, logs, ns, env and schedule, for its own pack",
  });
}

/** Whether this is called from a pack's confined script, about the home that it belongs to. */
export function isConfined({ env, home }: Context): boolean {
  return env["AURORA_CHANNEL"] !== undefined && env["AURORA_HOME"] === home;
}

/**
 * Refuses at once what would have to wait for the transaction that this very call is part of.
 *
 * @throws {AuroraError} `locked`
 */
export function refuseInsideTransaction(context: Context, description: string): void {
  refuseConfined(context, description);
  if (!isInsideTransaction(context)) return;
  throw new AuroraError(
    "locked",
    `cannot ${description}: this is called from a pack's script inside a transaction`,
    {
      hint: "a script may use aurora vfs, ns and env, but not change what is live",
    },
  );
}

async function settleFirst(context: Context, paths: HomePaths): Promise<void> {
  using workspace = workspaceOf(context, paths, openRegistry(paths));
  try {
    await settleIfIdle(workspace);
  } catch (thrown) {
    // What is there can be shown also on a full disk.
    const error = toAuroraError(thrown);
    if (!isPassingError(error)) throw thrown;
    workspace.warn(error.message);
  }
}

/** Whether this is called from a script of the transaction that holds the lock. */
export function isInsideTransaction({ env, home }: Context): boolean {
  return isInsideLock(homePaths(home), env["AURORA_LOCK"]);
}

function workspaceOf(context: Context, paths: HomePaths, registry: Registry): Open {
  return {
    paths,
    registry,
    now: context.now,
    self: context.self,
    env: context.env,
    services: context.noDaemon ? undefined : hostFor(context, paths),
    hostPid: () => daemonHolder(paths)?.pid,
    get signal() {
      return context.signal;
    },
    ...(context.json ? {} : { progress: (message) => context.log.progress(message) }),
    info: (message) => context.log.info(message),
    warn: (message) => context.log.warn(message),
    underLock: (description, work) => withOwnOrHomeLock(context, description, work),
    forWriting: async (work) => {
      using writable = openForWriting(context);
      return await work(writable);
    },
    moreOwnOperations: async () =>
      (await import("../../daemon/jobs/own-jobs.ts")).ownJobs as OwnOperationTable,
    [Symbol.dispose]: () => registry[Symbol.dispose](),
  };
}

/** Who runs supervised services. What it is made of is loaded when the first of them starts or stops. */
function hostFor(context: Context, paths: HomePaths): ServiceHost {
  let host: Promise<ServiceHost> | undefined;
  const load = async (): Promise<ServiceHost> => {
    const { remoteHost } = await import("../../daemon/remote-host.ts");
    return remoteHost({ paths, self: context.self, env: context.env });
  };
  return {
    start: async (packId, generation, signal) =>
      await (await (host ??= load())).start(packId, generation, signal),
    vouch: async (packId, generation) => await (await (host ??= load())).vouch(packId, generation),
    stop: async (packId, timeoutMs) => await (await (host ??= load())).stop(packId, timeoutMs),
  };
}

/** Checks the form of a pack id that the user typed. Throws `usage`. */
export function checkPackId(packId: string): string {
  if (PACK_ID.test(packId)) return packId;
  throw new AuroraError("usage", `"${packId}" is no pack id`, {
    hint: "a pack id has 1 to 64 of a-z, 0-9, _ and -, and begins with a letter or a digit",
  });
}
