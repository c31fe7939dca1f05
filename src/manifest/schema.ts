import * as v from "valibot";

import * as field from "./fields.ts";
import * as limit from "./limits.ts";

/*
 * The manifest, `aurora-manifest-v1`: from this one schema come the checks, the type, the defaults
 * and the JSON Schema. Every section is a strict object: `unknown-keys.ts` names the keys that are not here.
 */

const about = v.description;

/** A section that may be left out: its defaults then fill it. */
function section<const Entries extends v.ObjectEntries>(description: string, entries: Entries) {
  return v.pipe(v.strictObject(entries), about(description));
}

const commandLine = (description: string) => v.optional(v.nullable(field.commandLine(description)), null);

const entrypoint = section(
  "What Aurora runs: a file of the pack, or the file and its arguments. .ts and .js files run on the built-in runtime.",
  {
    install: commandLine("Prepares the pack. Called with --dry-run, then with --install."),
    start: commandLine("Starts the pack. Under service.type simple and notify it stays in the foreground."),
    stop: commandLine("Stops the pack."),
    health: commandLine("Exits with 0 while the pack is healthy."),
    test: commandLine("Tests the pack: aurora test runs it."),
  },
);

const dependency = section("A pack that has to be live before this one.", {
  pack_id: v.pipe(field.packId, about("The id of the other pack.")),
  version_constraint: v.optional(
    v.pipe(field.versionRange, about('A range as npm writes it: ">=1.0.0 <2", "^1.2", "1.x".')),
    "*",
  ),
});

const artifact = section("A file whose checksum is part of the manifest.", {
  path: v.pipe(field.packPath, about("The file, relative to the pack.")),
  sha256: v.optional(
    v.pipe(field.sha256, about('Its SHA-256 in hex; "" while it is not sealed. aurora seal fills it in.')),
    "",
  ),
});

const formats = v.picklist(["yaml", "yml", "json"]);

const autoscan = section("How the pack is found.", {
  manifest_preference: v.optional(
    v.pipe(
      field.listOf(formats, 3),
      about("Which manifest counts where the pack has several: the first format of this list that exists."),
    ),
    ["yaml", "yml", "json"],
  ),
  auto_detect_device: v.optional(
    v.pipe(field.yesOrNo, about("Whether install checks the pack's device section against this machine.")),
    true,
  ),
});

const safety = section("What has to hold before the pack may change the machine.", {
  dry_run_supported: v.optional(
    v.pipe(field.yesOrNo, about("Whether entrypoint.install understands --dry-run.")),
    true,
  ),
  operator_approval_required: v.optional(
    v.pipe(field.yesOrNo, about("Whether an operator has to approve a plan that holds this pack.")),
    true,
  ),
  health_check_timeout_seconds: v.optional(
    v.pipe(field.seconds(0.1), about("How long one call of entrypoint.health may take.")),
    30,
  ),
});

const signals = v.picklist([
  "SIGTERM",
  "SIGINT",
  "SIGQUIT",
  "SIGHUP",
  "SIGUSR1",
  "SIGUSR2",
  "SIGWINCH",
  "SIGKILL",
]);

const service = section("How entrypoint.start is run and kept running.", {
  type: v.optional(
    v.pipe(
      v.picklist(["oneshot", "simple", "notify"]),
      about(
        "oneshot: start returns, and what it left running belongs to the pack. simple: start stays in the foreground and is supervised. notify: simple, and ready when it says READY=1 on $NOTIFY_SOCKET.",
      ),
    ),
    "oneshot",
  ),
  restart: v.optional(
    v.pipe(v.picklist(["no", "on-failure", "always"]), about("When a service that ended is started again.")),
    "on-failure",
  ),
  backoff_seconds: v.optional(
    v.pipe(
      v.strictTuple([field.seconds(0), field.seconds(0)]),
      v.check(([min, max]) => min <= max, "must be [least, most], in this order"),
      about("The wait before a restart: the first, and the most it grows to."),
    ),
    [1, 60],
  ),
  start_limit: v.optional(
    section("After so many starts within the interval the service counts as failed.", {
      burst: v.optional(v.pipe(field.integer(1, 1000), about("How many starts.")), 5),
      interval_seconds: v.optional(v.pipe(field.seconds(0), about("Within how many seconds.")), 60),
    }),
    {},
  ),
  stop_signal: v.optional(v.pipe(signals, about("What the service gets when it is to stop.")), "SIGTERM"),
  stop_timeout_seconds: v.optional(
    v.pipe(field.seconds(0), about("How long it may take to stop before it gets SIGKILL.")),
    10,
  ),
});

const health = section("When a generation counts as healthy. The command is entrypoint.health.", {
  grace_seconds: v.optional(v.pipe(field.seconds(0), about("The wait before the first check.")), 0),
  interval_seconds: v.optional(v.pipe(field.seconds(0.1), about("The wait between two checks.")), 1),
  passes: v.optional(v.pipe(field.integer(1, 1000), about("How many checks in a row have to pass.")), 1),
  deadline_seconds: v.optional(
    v.pipe(field.seconds(0.1), about("By when it has to be healthy, or the change is rolled back.")),
    30,
  ),
  soak_seconds: v.optional(
    v.pipe(field.seconds(0), about("How long it then has to stay healthy before the change is kept.")),
    0,
  ),
  watch_seconds: v.optional(
    v.pipe(field.seconds(0), about("How often a running pack is checked after that; 0 for never.")),
    30,
  ),
  http: v.optional(
    v.nullable(
      v.pipe(field.localUrl, about("An address that answers with a 2xx status while the pack is healthy.")),
    ),
    null,
  ),
  tcp: v.optional(
    v.nullable(
      v.pipe(field.port, about("A port of 127.0.0.1 that takes connections while the pack is healthy.")),
    ),
    null,
  ),
});

const epoch = field.integer(1, limit.MAX_EPOCH);

const data = v.pipe(
  section("The form of the pack's data, for upgrades and rollbacks.", {
    epoch: v.optional(v.pipe(epoch, about("The form in which this version writes its data.")), 1),
    reads_epochs: v.optional(
      v.pipe(field.listOf(epoch), about("The forms that this version can read; by default its own.")),
    ),
    snapshot: v.optional(
      v.pipe(
        field.yesOrNo,
        about("Whether the data is copied before an activation and comes back with a rollback."),
      ),
      false,
    ),
  }),
  v.transform(({ epoch, reads_epochs, snapshot }) => ({
    epoch,
    reads_epochs: reads_epochs ?? [epoch],
    snapshot,
  })),
);

const paths = (description: string) =>
  v.optional(v.pipe(field.listOf(field.hostPath), about(description)), []);
const ports = (description: string) => v.optional(v.pipe(field.listOf(field.port), about(description)), []);

const permissions = section("What the pack may do beyond its own tree, data, logs and scratch.", {
  read: paths("Absolute paths that it may read."),
  write: paths("Absolute paths that it may read and write."),
  run: v.optional(
    v.pipe(field.listOf(field.program), about("Programs outside the system's directories that it may run.")),
    [],
  ),
  net: v.optional(
    section("The network.", {
      connect: ports("TCP ports that it may connect to."),
      listen: ports("TCP ports that it may listen on."),
      udp: v.optional(
        v.pipe(field.yesOrNo, about("Whether it may use UDP, which name look-ups need.")),
        false,
      ),
    }),
    {},
  ),
  unix: v.optional(v.pipe(field.yesOrNo, about("Whether it may use Unix sockets.")), false),
  env: v.optional(
    v.pipe(field.listOf(field.environmentName), about("Environment variables that are passed through.")),
    [],
  ),
  confinement: v.optional(
    v.pipe(
      v.picklist(["required", "best_effort"]),
      about("required: refuse to run where the kernel cannot confine the pack."),
    ),
    "best_effort",
  ),
});

const orNone = <const Schema extends v.GenericSchema>(schema: Schema, description: string) =>
  v.optional(v.nullable(v.pipe(schema, about(description))), null);

const limits = v.pipe(
  section("What the pack's processes may use.", {
    memory: v.optional(v.nullable(field.size("The memory of the whole pack.")), null),
    processes: orNone(field.integer(1, 4_194_304), "How many processes and threads the pack may have."),
    open_files: orNone(field.integer(16, 1_048_576), "How many files each of its processes may hold open."),
    file_size: v.optional(
      v.nullable(field.size("The largest file that one of its processes may write.")),
      null,
    ),
    cpu_seconds: orNone(field.integer(1, limit.MAX_SECONDS), "The processor time of each of its processes."),
  }),
  v.transform(({ memory, processes, open_files, file_size, cpu_seconds }) => ({
    memory_bytes: memory,
    processes,
    open_files,
    file_size_bytes: file_size,
    cpu_seconds,
  })),
);

const mountPath = v.pipe(
  field.hostPath,
  v.check((path) => path !== "/", "must name a directory below /"),
  about("Where it appears in the pack's VFS."),
);

const mount = v.variant("type", [
  section("Files in memory, gone when the daemon ends.", {
    path: mountPath,
    type: v.literal("memory"),
    size: field.size("How much it may hold."),
  }),
  section("The pack's own live tree, read-only.", { path: mountPath, type: v.literal("pack") }),
  section("A directory of this machine.", {
    path: mountPath,
    type: v.literal("host"),
    source: v.pipe(field.hostPath, about("The directory, as an absolute path.")),
    mode: v.optional(v.pipe(v.picklist(["ro", "rw"]), about("ro: read-only. rw: writable.")), "ro"),
  }),
]);

const mounts = v.pipe(
  v.array(mount),
  about("What else the pack sees in its VFS."),
  v.maxLength(limit.MAX_LIST, `must not have more than ${limit.MAX_LIST} entries`),
  v.transform((list) =>
    list.map((entry) =>
      entry.type === "memory" ? { path: entry.path, type: entry.type, size_bytes: entry.size } : entry,
    ),
  ),
);

const job = v.pipe(
  section("A job. It has either every or cron.", {
    name: v.pipe(field.packId, about("The job's name, unique in this pack.")),
    every: v.optional(field.interval('How often: "30s", "5m", or a number of seconds.')),
    cron: v.optional(v.pipe(field.cronText, about('When: minute, hour, day, month, weekday: "0 3 * * *".'))),
    timezone: orNone(field.timeZone, "The time zone of cron; by default the machine's."),
    run: field.commandLine("The file of the pack to run, or the file and its arguments."),
    tags: v.optional(
      v.pipe(
        v.record(field.packId, field.integer(1, 1000)),
        about("What the job takes of each named resource while it runs."),
      ),
      {},
    ),
    timeout_seconds: orNone(field.seconds(0.1), "How long it may run."),
    overlap: v.optional(
      v.pipe(
        v.picklist(["skip", "queue", "allow", "replace"]),
        about("What happens when it is due while it still runs."),
      ),
      "skip",
    ),
    misfire: v.optional(
      v.pipe(
        v.picklist(["run-once", "skip", "run-all"]),
        about("What happens with the runs that were missed while nothing could run."),
      ),
      "run-once",
    ),
    retries: orNone(
      field.integer(0, limit.MAX_RETRIES),
      "How often it is tried again after a failure. By default not at all, but a run that a crash has interrupted is; 0 rules that out too.",
    ),
    jitter: v.optional(
      field.duration("Each run is later by up to so much: always by the same for one job."),
      0,
    ),
  }),
  v.metadata({ oneOf: [{ required: ["every"] }, { required: ["cron"] }] }),
  v.transform(
    ({ name, every, cron, timezone, run, tags, timeout_seconds, overlap, misfire, retries, jitter }) => ({
      name,
      every_ms: every ?? null,
      cron: cron ?? null,
      timezone,
      run,
      tags,
      timeout_seconds,
      overlap,
      misfire,
      retries,
      jitter_ms: jitter,
    }),
  ),
);

const device = v.pipe(
  section("The machines that the pack is for. An empty list means any.", {
    os: v.optional(v.pipe(field.listOf(v.picklist(["linux", "darwin"])), about("Operating systems.")), []),
    arch: v.optional(v.pipe(field.listOf(v.picklist(["x64", "arm64"])), about("Processors.")), []),
    min_memory: v.optional(v.nullable(field.size("The least memory the machine has to have.")), null),
  }),
  v.transform(({ os, arch, min_memory }) => ({ os, arch, min_memory_bytes: min_memory })),
);

const pack = section("The pack.", {
  id: v.pipe(field.packId, about("The pack's id: a-z, 0-9, _ and -, at most 64, not beginning with _ or -.")),
  name: v.pipe(
    field.text(limit.MAX_NAME_LENGTH),
    v.check((value) => value.trim() !== "", "must not be empty"),
    about("The pack's name, for people."),
  ),
  version: v.pipe(field.version, about("The pack's version, by Semantic Versioning 2.0.0, in quotes.")),
  description: v.optional(v.pipe(field.text(limit.MAX_DESCRIPTION_LENGTH), about("What the pack does.")), ""),
  entrypoint: v.optional(entrypoint, {}),
  dependencies: v.optional(
    v.pipe(
      v.array(dependency),
      v.maxLength(limit.MAX_DEPENDENCIES, `must not have more than ${limit.MAX_DEPENDENCIES} entries`),
      about("The packs that have to be live before this one."),
    ),
    [],
  ),
  artifacts: v.optional(
    v.pipe(
      v.array(artifact),
      v.maxLength(limit.MAX_ARTIFACTS, `must not have more than ${limit.MAX_ARTIFACTS} entries`),
      about("The files whose checksums are part of the manifest."),
    ),
    [],
  ),
  env: v.optional(
    section("The environment.", {
      required: v.optional(
        v.pipe(
          field.listOf(field.environmentName),
          about("Variables that have to be set for the pack: aurora env set."),
        ),
        [],
      ),
    }),
    {},
  ),
  autoscan: v.optional(autoscan, {}),
  safety: v.optional(safety, {}),
  service: v.optional(service, {}),
  health: v.optional(health, {}),
  data: v.optional(data, {}),
  permissions: v.optional(permissions, {}),
  limits: v.optional(limits, {}),
  mounts: v.optional(mounts, []),
  schedule: v.optional(
    v.pipe(
      v.array(job),
      v.maxLength(limit.MAX_JOBS, `must not have more than ${limit.MAX_JOBS} entries`),
      about("The pack's jobs."),
    ),
    [],
  ),
  device: v.optional(device, {}),
});

/** The whole manifest, as it is written. */
export const manifestSchema = section("The manifest of an Aurora pack.", {
  schema_version: v.pipe(v.literal(limit.SCHEMA_VERSION), about("The version of this format.")),
  pack,
});

/** A manifest as Aurora works with it: every default filled in, sizes in bytes, times in milliseconds. */
export type Manifest = v.InferOutput<typeof manifestSchema>;
