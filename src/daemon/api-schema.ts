import * as v from "valibot";

/*
 * What goes over the daemon's socket. From these schemas come the checks of what clients send, the types, and the OpenAPI
 * description; a test checks the running daemon's answers against them.
 */

const about = v.description;
const time = v.pipe(v.string(), v.isoTimestamp(), about("RFC 3339, in UTC."));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const orNull = <S extends v.GenericSchema>(schema: S) => v.nullable(schema);

const reason = v.pipe(
  orNull(v.string()),
  about("Why it is in this state or unhealthy, where nobody asked for that."),
);
const statusText = v.pipe(orNull(v.string()), about("What the service last said of itself with STATUS=."));

export const packStatus = v.object({
  pack_id: v.string(),
  version: v.string(),
  generation: orNull(count),
  state: v.picklist([
    "staged",
    "installed",
    "starting",
    "running",
    "stopping",
    "stopped",
    "exited",
    "failed",
    "backoff",
  ]),
  health: v.picklist(["healthy", "unhealthy", "unknown"]),
  pid: orNull(count),
  since: orNull(time),
  restarts: count,
  exit_code: orNull(v.pipe(v.number(), v.integer())),
  reason,
  last_end: v.pipe(
    orNull(v.string()),
    about("Why the last run ended that nobody asked to end, also when it runs again."),
  ),
  next_start: v.pipe(orNull(time), about("When it starts again, in the state backoff.")),
  status_text: statusText,
  memory_bytes: v.pipe(
    orNull(count),
    about(
      "What is resident of its processes; pages that several of them may share count once. Without the launcher's.",
    ),
  ),
  confinement: orNull(
    v.object({
      state: v.picklist(["enforced", "partial", "none", "allow-all"]),
      user: orNull(count),
      layers: v.array(v.object({ name: v.string(), enforced: v.boolean(), reason: orNull(v.string()) })),
    }),
  ),
});

export const packStatuses = v.array(packStatus);

export const actedPack = v.object({
  pack_id: v.string(),
  state: v.string(),
  pid: orNull(count),
  changed: v.boolean(),
});

export const signalRequest = v.strictObject({
  signal: v.pipe(v.string(), about("Its name, such as HUP or SIGUSR1, or its number.")),
  all: v.pipe(
    v.optional(v.boolean(), false),
    about("To all processes of the pack, not only to the one that its start became."),
  ),
});

export const signalledPack = v.object({
  pack_id: v.string(),
  signal: v.string(),
  pids: v.pipe(v.array(count), about("Who has got it; empty where the pack does not run.")),
});

export const supervisedService = v.object({
  pack_id: v.string(),
  generation: v.pipe(orNull(count), about("Null for a pack that is not supervised.")),
  state: v.picklist(["starting", "running", "stopping", "stopped", "exited", "failed", "backoff"]),
  health: v.picklist(["healthy", "unhealthy", "unknown"]),
  pid: orNull(count),
  exit_code: orNull(v.pipe(v.number(), v.integer())),
  status_text: statusText,
  reason,
});

export const dependentsRequest = v.strictObject({
  dependents: v.pipe(
    v.optional(v.boolean(), false),
    about("Also what depends on it and runs: stopped before it, and with a restart started after it."),
  ),
});

export const serviceRequest = v.strictObject({
  generation: v.pipe(count, about("The generation that the registry says is wanted.")),
});

const event = v.object({
  id: count,
  at: time,
  pack_id: orNull(v.string()),
  kind: v.string(),
  detail: v.record(v.string(), v.unknown()),
});

export const daemonStatus = v.object({
  running: v.literal(true),
  pid: count,
  version: v.string(),
  home: v.string(),
  socket: v.string(),
  started_at: time,
  uptime_seconds: v.pipe(v.number(), v.minValue(0)),
  services: v.pipe(count, about("Services that are supervised.")),
  clients: v.pipe(count, about("Connections now, this one among them.")),
  idle_exit_seconds: v.pipe(
    orNull(v.number()),
    about("It ends by itself after so long without anything to do; null: it does not."),
  ),
});

export const stopRequest = v.strictObject({
  services: v.pipe(v.optional(v.boolean(), false), about("Also stop all services, dependents first.")),
});

export const reloadRequest = v.strictObject({
  binary: v.pipe(
    v.optional(v.boolean(), false),
    about("Become the program file as it is now; services go on."),
  ),
});

export const accepted = v.object({ accepted: v.literal(true), pid: count });

export const errorDocument = v.object({
  error: v.object({
    code: v.string(),
    message: v.string(),
    hint: orNull(v.string()),
    exit_code: count,
    diagnostics: v.array(
      v.object({
        message: v.string(),
        file: orNull(v.string()),
        line: orNull(count),
        column: orNull(count),
        hint: orNull(v.string()),
      }),
    ),
  }),
});

export type DaemonStatus = v.InferOutput<typeof daemonStatus>;
export type SupervisedService = v.InferOutput<typeof supervisedService>;
export type ApiEvent = v.InferOutput<typeof event>;
