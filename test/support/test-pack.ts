import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** What a test says about a pack; everything else is a pack that works. */
export type TestPack = {
  id: string;
  version?: string;
  /** Lines of YAML below `pack:`, indented by two. */
  manifest?: string;
  /** Bodies of its scripts; null leaves one out. */
  install?: string | null;
  start?: string | null;
  stop?: string | null;
  health?: string | null;
  /** More of its health section: "watch_seconds: 1". */
  clocks?: string;
  test?: string | null;
  files?: Record<string, string>;
  approval?: boolean;
  /** Between two looks at its health: 0.1 by default. */
  intervalSeconds?: number;
  /** It does not get healthy, and that is not waited for longer than a look at it takes on a busy machine. */
  isSick?: boolean;
};

/** By when a pack has to be healthy: no limit that a busy machine could meet. */
const DEADLINE_SECONDS = 30;
const SICK_DEADLINE_SECONDS = 2;

const resident = `sleep 300 &
echo $! > data/pid`;

/**
 * Writes a pack in POSIX sh: its start leaves a process running, its stop ends that by the pid file, its health looks
 * whether it lives. Approval is not asked for unless a test wants it.
 *
 * @returns the directory
 */
export function writePack(directory: string, pack: TestPack): string {
  const scripts = {
    install: { file: "install.sh", body: pack.install === undefined ? 'echo "install $1"' : pack.install },
    start: { file: "start.sh", body: pack.start === undefined ? resident : pack.start },
    stop: { file: "stop.sh", body: pack.stop === undefined ? 'kill "$(cat data/pid)"' : pack.stop },
    health: {
      file: "health.sh",
      body: pack.health === undefined ? 'kill -0 "$(cat data/pid)"' : pack.health,
    },
    test: { file: "test.sh", body: pack.test ?? null },
  };
  mkdirSync(directory, { recursive: true });
  const entrypoints: string[] = [];
  for (const [name, { file, body }] of Object.entries(scripts)) {
    if (body === null) continue;
    entrypoints.push(`    ${name}: ${file}`);
    writeExecutable(`${directory}/${file}`, `#!/bin/sh\nset -eu\n${body}\n`);
  }
  for (const [path, content] of Object.entries(pack.files ?? {})) {
    mkdirSync(dirname(`${directory}/${path}`), { recursive: true });
    writeFileSync(`${directory}/${path}`, content, { mode: content.startsWith("#!") ? 0o755 : 0o644 });
  }
  writeFileSync(
    `${directory}/manifest.yaml`,
    [
      "schema_version: aurora-manifest-v1",
      "pack:",
      `  id: ${pack.id}`,
      `  name: Test pack ${pack.id}`,
      `  version: "${pack.version ?? "1.0.0"}"`,
      ...(entrypoints.length > 0 ? ["  entrypoint:", ...entrypoints] : []),
      `  safety: { operator_approval_required: ${pack.approval ?? false}, health_check_timeout_seconds: 30 }`,
      `  health: { deadline_seconds: ${pack.isSick ? SICK_DEADLINE_SECONDS : DEADLINE_SECONDS}, interval_seconds: ${pack.intervalSeconds ?? 0.1}${pack.clocks === undefined ? "" : `, ${pack.clocks}`} }`,
      ...(pack.manifest === undefined ? [] : [pack.manifest]),
      "",
    ].join("\n"),
  );
  return directory;
}

function writeExecutable(path: string, content: string): void {
  writeFileSync(path, content);
  chmodSync(path, 0o755);
}
