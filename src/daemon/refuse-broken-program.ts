import { AuroraError, systemReason } from "../errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** So long the program may take to say its version, in milliseconds. */
const ANSWER_MS = 30_000;

/**
 * Has a program file say its version: a daemon that became one which does not run would be gone, and its services alone.
 *
 * @throws {AuroraError} `conflict`
 */
export async function refuseBrokenProgram(path: string, { PATH }: Environment): Promise<void> {
  const reason = await whyBroken(path, PATH ?? "/usr/bin:/bin");
  if (reason === undefined) return;
  throw new AuroraError("conflict", `cannot become "${path}": ${reason}`, {
    hint: "put a program that works in its place; the daemon runs on as it is",
  });
}

async function whyBroken(path: string, PATH: string): Promise<string | undefined> {
  try {
    const child = Bun.spawn([path, "version", "--json"], {
      cwd: "/",
      env: { PATH },
      stdio: ["ignore", "pipe", "ignore"],
      timeout: ANSWER_MS,
    });
    const [text, exitCode] = await Promise.all([child.stdout.text(), child.exited]);
    if (exitCode !== 0) return `"version" of it ended with exit code ${exitCode}`;
    const { version } = JSON.parse(text) as { version?: unknown };
    return typeof version === "string" ? undefined : "it is no Aurora";
  } catch (thrown) {
    return systemReason(thrown) ?? "it is no Aurora";
  }
}
