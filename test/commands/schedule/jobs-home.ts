import { auroraCommand } from "../../support/aurora.ts";
import { testHome } from "../../support/test-home.ts";

/** A home in which the pack "app" is live: its jobs do what the word behind their script says. */
export async function jobsHome(
  schedule = '    - { name: nightly, cron: "0 3 * * *", timezone: Europe/Berlin, run: job.sh }',
) {
  const home = testHome();
  // Here a test says itself what runs the jobs.
  const t: typeof home = {
    ...home,
    run: (argv, options) => home.run(["--no-daemon", ...argv], options),
    json: (argv) => home.json(["--no-daemon", ...argv]),
  };
  const write = (version: string, jobs: string, name = "app") => {
    t.write({
      id: "app",
      name,
      version,
      start: null,
      stop: null,
      health: null,
      install: null,
      ...(jobs === "" ? {} : { manifest: `  schedule:\n${jobs}` }),
      files: { "job.sh": JOB },
    });
    Bun.spawnSync(["chmod", "+x", `${t.packs}/${name}/job.sh`]);
  };
  write("1.0.0", schedule);
  await t.run(["install", "app"]);
  return {
    ...t,
    write,
    /** As `run`, with moments and distances masked: "MOMENT, in SOME". */
    shown: async (argv: readonly string[]) => {
      const result = await t.run(argv);
      return { ...result, stdout: steady(result.stdout) };
    },
  };
}

const JOB = `#!/bin/sh
echo "$AURORA_JOB $AURORA_ATTEMPT $AURORA_GENERATION $AURORA_PACK_ID" >> "$AURORA_DATA_DIR/runs"
case \${1:-} in
  fail) echo "no luck" >&2; exit 3 ;;
  sleep) sleep 60 ;;
  *) echo "done at $AURORA_SCHEDULED_AT" ;;
esac
`;

/** The columns of a table move with the length of what is in them, so blanks are one. */
function steady(text: string): string {
  return text
    .replaceAll(/(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [0-9-]+ [0-9:]+ [+-][0-9:]+/g, "MOMENT")
    .replaceAll(/(in|overdue for) (\d+ [dh] \d+ [hm]|\d+ m (\d+ s|N ms)|N ms)/g, "$1 SOME")
    .replaceAll(/ {2,}/g, "  ");
}

/** Starts `schedule run --foreground` and resolves when it keeps the jobs running. */
export async function startScheduler(home: string, options: readonly string[] = []) {
  const child = Bun.spawn([...auroraCommand, "schedule", "run", "--foreground", ...options, "--home", home], {
    env: { PATH: Bun.env["PATH"] ?? "", HOME: "/nonexistent", LANG: "C.UTF-8" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const reader = child.stderr.getReader();
  const said = new TextDecoder().decode((await reader.read()).value);
  return {
    pid: child.pid,
    said,
    /** Ends it by a signal; what it printed, and how it ended. */
    stop: async (signal: NodeJS.Signals = "SIGTERM") => {
      child.kill(signal);
      const [stdout, exitCode] = await Promise.all([child.stdout.text(), child.exited]);
      return { stdout, exitCode };
    },
  };
}

/** Waits until what a command prints as JSON is as wanted. */
export async function until<T>(read: () => Promise<T>, isWanted: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read();
    if (isWanted(value)) return value;
    await Bun.sleep(20);
  }
}
