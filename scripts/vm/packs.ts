import { chmodSync, mkdirSync, writeFileSync } from "node:fs";

import { attacks } from "../../test/process/confinement/attacks/attack-table.ts";

type Pack = {
  id: string;
  version?: string;
  needs?: string[];
  type?: string;
  limits?: string;
  schedule?: string;
  permissions?: string;
  /** Shell scripts, without the ending of their names. */
  scripts: Record<string, string>;
  files?: Record<string, string>;
};

/**
 * Waits, and tells its end with the time, so that the order of ends can be read in its log. A oneshot pack's gets the signal twice: from
 * its stop script, and from Aurora, which ends what that leaves.
 */
const WAIT = `trap 'trap "" TERM; sleep 0.3; echo "$AURORA_PACK_ID ended $(date +%s%N)"; exit 0' TERM
while :; do sleep 1000 & wait $!; done`;

/** Does all that a pack may have done, and writes down what it could not. */
const ABLE = `
import { createSocket } from "node:dgram";
const { AURORA_DATA_DIR: data, AURORA_LOG_DIR: logs, AURORA_TMP_DIR: tmp, AURORA_BIN: aurora = "" } = process.env;
const faults: string[] = [];
async function may(what: string, act: () => unknown) {
  try { await act(); } catch (thrown) { faults.push(what + ": " + thrown); }
}
function call(...argv: string[]) {
  const { exitCode, stderr } = Bun.spawnSync(argv);
  if (exitCode !== 0) throw new Error(stderr.toString());
}
for (const directory of [data, logs, tmp, "/dev/shm", "/srv/shared"])
  await may("write " + directory, () => Bun.write(directory + "/mine", "x"));
await may("serve and fetch", async () => {
  Bun.serve({ port: 8080, fetch: () => new Response("yes") });
  await fetch("http://127.0.0.1:8080/");
});
await may("send a datagram", () => {
  const socket = createSocket("udp4");
  return new Promise((resolve, reject) => socket.send("x", 9, "127.0.0.1", (e) => (e ? reject(e) : resolve(e))));
});
await may("listen on a Unix socket", () => Bun.listen({ unix: tmp + "/socket", socket: { data() {} } }));
await may("run a program", () => call("sh", "-c", "id | grep . && ps >/dev/null"));
await may("register", () => call(aurora, "ns", "register", "able", "--meta", '{"a":1}'));
await may("use its files", () => call(aurora, "vfs", "mkdir", "able", "/made"));
await may("add a job", () => call(aurora, "schedule", "add", "able", "--name", "once", "--in", "1h", "--", "true"));
await Bun.write(data + "/faults", faults.join("\\n"));
await new Promise(() => {});
`;

const packs: readonly Pack[] = [
  {
    id: "able",
    permissions: "{ write: [/srv/shared], net: { connect: [8080], listen: [8080], udp: true }, unix: true }",
    files: { "able.ts": ABLE },
    scripts: { start: 'exec "$AURORA_BIN" run able.ts' },
  },
  {
    id: "limited",
    limits: "{ memory: 64MiB, processes: 16 }",
    // Does once what a file in its data asks for. tail keeps a line in memory until it has come to its end, so no process of it
    // takes more than 30 MB.
    scripts: {
      start: `cd "$AURORA_DATA_DIR"
take() { rm "$1" 2>/dev/null; }
if take eat; then while test -e later; do sleep 0.2; done; for n in 1 2 3; do
  { head -c 30000000 /dev/zero; : >ate; sleep 1000; } | tail -n 1 &
  until take ate; do sleep 0.2; done
done; fi
if take hold; then { head -c 30000000 /dev/zero; sleep 1000; } | tail -n 1 & fi
if take multiply; then sh -c 'for n in $(seq 40); do sleep 1000 & done; sleep 1000' & fi
# Leaves everything by which it could be found: its session, its parent, its environment.
if take escape; then setsid env -i sh -c 'setsid sh -c "trap : TERM; while :; do sleep 4242; done" &' & fi
${WAIT}`,
    },
  },
  {
    id: "leaving",
    type: "oneshot",
    limits: "{ memory: 64MiB, processes: 16 }",
    scripts: {
      start: `setsid env -i sh -c 'setsid sh -c "trap : TERM; while :; do sleep 4343; done" &' </dev/null >/dev/null 2>&1 &
sleep 1`,
      stop: "exit 0",
    },
  },
  { id: "first", scripts: { start: WAIT } },
  {
    id: "once",
    type: "oneshot",
    needs: ["first"],
    scripts: {
      start: `./wait.sh >>"$AURORA_LOG_DIR/once.log" 2>&1 & echo $! >"$AURORA_DATA_DIR/pid"`,
      wait: WAIT,
      stop: 'kill "$(cat "$AURORA_DATA_DIR/pid")"',
      health: 'kill -0 "$(cat "$AURORA_DATA_DIR/pid")"',
    },
  },
  { id: "last", needs: ["once"], scripts: { start: WAIT } },
  {
    id: "busy",
    limits: "{ cpu_seconds: 2 }",
    schedule: '[{ name: beat, every: 2s, run: "beat.sh" }]',
    scripts: { start: WAIT, spin: "while :; do :; done", beat: 'echo beat >>"$AURORA_DATA_DIR/beats"' },
  },
  {
    id: "attacker",
    limits: "{ memory: 128MiB, processes: 30, open_files: 64, file_size: 1MiB }",
    scripts: {
      // The one that takes too much memory ends all of the service: started again, it goes on after that.
      start: `cd "$AURORA_DATA_DIR"
read -r victim port other <target
begun=$(cat begun 2>/dev/null)
[ -n "$begun" ] && echo "$begun killed" >>outcomes
export SHARED=aurora-attack OTHER_PORT="$other"
for name in ${attacks.map(({ name }) => name).join(" ")}; do
  if [ -n "$begun" ]; then
    [ "$name" = "$begun" ] && begun=
    continue
  fi
  echo "$name" >begun
  /usr/local/bin/attack "$name" /srv/outside "$AURORA_DATA_DIR" "$victim" "$port" >/dev/null 2>&1
  echo "$name $?" >>outcomes
done
touch done
${WAIT}`,
    },
  },
  ...["1.0.0", "2.0.0"].map((version) => ({
    id: "cut",
    version,
    scripts: {
      install: `echo ${version} >"$AURORA_DATA_DIR/installed"`,
      start: `echo ${version} >"$AURORA_DATA_DIR/started"\n${WAIT}`,
    },
  })),
];

/** Writes the packs of the checks, each in a directory of its id, with its version where there are several. */
export function writePacks(directory: string): void {
  for (const pack of packs)
    writePack(`${directory}/${pack.version === undefined ? pack.id : `${pack.id}-${pack.version}`}`, pack);
}

function writePack(directory: string, pack: Pack): void {
  const {
    id,
    version = "1.0.0",
    needs = [],
    type = "simple",
    limits,
    schedule,
    permissions,
    scripts,
    files = {},
  } = pack;
  mkdirSync(directory, { recursive: true });
  for (const [name, body] of Object.entries(scripts)) {
    writeFileSync(`${directory}/${name}.sh`, `#!/bin/sh\n${body}\n`);
    chmodSync(`${directory}/${name}.sh`, 0o755);
  }
  for (const [name, content] of Object.entries(files)) writeFileSync(`${directory}/${name}`, content);
  const entrypoint = ["install", "start", "stop", "health"].filter((name) => name in scripts);
  const dependencies = needs.map((other) => `{ pack_id: ${other}, version_constraint: ">=1.0.0" }`);
  writeFileSync(
    `${directory}/manifest.yaml`,
    [
      "schema_version: aurora-manifest-v1",
      "pack:",
      `  id: ${id}`,
      `  name: ${id}`,
      `  version: ${version}`,
      `  entrypoint: { ${entrypoint.map((name) => `${name}: ${name}.sh`).join(", ")} }`,
      `  dependencies: [${dependencies.join(", ")}]`,
      `  service: { type: ${type}, restart: on-failure, stop_timeout_seconds: 5 }`,
      "  safety: { dry_run_supported: false, operator_approval_required: false, health_check_timeout_seconds: 20 }",
      ...(permissions === undefined ? [] : [`  permissions: ${permissions}`]),
      ...(limits === undefined ? [] : [`  limits: ${limits}`]),
      ...(schedule === undefined ? [] : [`  schedule: ${schedule}`]),
      "",
    ].join("\n"),
  );
}
