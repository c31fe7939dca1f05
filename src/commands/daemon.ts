import { type DaemonStatus } from "../daemon/api-schema.ts";
import { runDaemon } from "../daemon/run-daemon.ts";
import { systemdUnit } from "../daemon/systemd-unit.ts";
import { AuroraError, systemReason } from "../errors.ts";
import { homePaths } from "../system/home.ts";
import { replaceProgram } from "../system/replace-program.ts";
import { systemdVersion } from "../system/systemd-version.ts";
import { type Context, type Input } from "./command.ts";
import { durationOption } from "./shared/install-flow.ts";

type Result = { unit: string } | undefined;

/** Tells the program that is put in a daemon's place which descriptor holds the daemon's lock. */
const LOCK_VARIABLE = "AURORA_DAEMON_LOCK";

export async function run(
  context: Context,
  { options }: Input<"print-systemd-unit" | "user", "idle-exit">,
): Promise<Result> {
  const { home, self, env } = context;
  const isUser = options.user === true;
  if (options["print-systemd-unit"] === true)
    return { unit: systemdUnit({ self, home, isUser, owner: caller(), systemdVersion: systemdVersion() }) };
  if (isUser) throw new AuroraError("usage", "option --user belongs to --print-systemd-unit");
  const idleExit = options["idle-exit"];
  const say = messenger(context);
  const { ending, lock } = await runDaemon({
    paths: homePaths(home),
    env,
    self,
    now: context.now,
    info: (message) => say(context.log.info, message),
    warn: (message) => say(context.log.warn, message),
    ready: (status) => announce(context, status, say),
    idleExitMs: idleExit === undefined ? null : durationOption("--idle-exit", idleExit),
    inheritedLock: env[LOCK_VARIABLE] === undefined ? undefined : Number(env[LOCK_VARIABLE]),
  });
  if (ending === "become-binary") {
    await context.log.flush();
    becomeBinary(context, idleExit, lock);
  }
  return undefined;
}

/** The home that is not named is the caller's. */
function caller(): { uid: number; gid: number } {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
}

function announce(context: Context, status: DaemonStatus, say: ReturnType<typeof messenger>): void {
  if (context.json) whereItCan(() => context.stdout.write(`${JSON.stringify(status)}\n`));
  else say(context.log.info, `aurora ${status.version} listens on ${status.socket} (pid ${status.pid})`);
}

/** On a terminal and in the journal a line needs no time; in a file it does. */
function messenger({ env, now, stdin }: Context) {
  const isTimed = env["JOURNAL_STREAM"] === undefined && !stdin.isTerminal;
  return (log: (message: string) => void, message: string) =>
    whereItCan(() => log(isTimed ? `${now().toISOString()} ${message}` : message));
}

/** Whoever has started it may be gone by now, and the disk full: services need their daemon all the same. */
function whereItCan(write: () => void): void {
  try {
    write();
  } catch {
    return;
  }
}

/** Puts the program file as it is now in this process's place: same number, same children. */
function becomeBinary(context: Context, idleExit: string | undefined, lock: number | undefined): void {
  const { self, home, log } = context;
  const env = {
    ...(context.env as Record<string, string>),
    ...(lock === undefined ? {} : { [LOCK_VARIABLE]: String(lock) }),
  };
  const argv = [self, "daemon", "--home", home, ...(idleExit === undefined ? [] : ["--idle-exit", idleExit])];
  // That it is experimental is said on stderr with each call, which is the daemon's log.
  process.emitWarning = () => {};
  try {
    replaceProgram(self, argv, env, lock);
  } catch (thrown) {
    // Services need their daemon, also where the file has gone since: then it begins anew as the program that it is.
    whereItCan(() => log.warn(`cannot become "${self}" (${systemReason(thrown) ?? String(thrown)})`));
    replaceProgram("/proc/self/exe", argv, env, lock);
  }
}

export function render(result: NonNullable<Result>): string {
  return result.unit;
}
