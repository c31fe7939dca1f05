import { AuroraError } from "../errors.ts";
import { explainPackProcess, packProcess, type ProcessExplanation } from "../lifecycle/pack-process.ts";
import { OwnAnswers, type ScriptPack, serveOwn } from "../lifecycle/script.ts";
import {
  findBackground,
  hasEnded,
  listBackground,
  startBackground,
  stopBackground,
} from "../process/background.ts";
import { type AuditReport } from "../process/confinement/audit-records.ts";
import { type AuditCoverage, AuditLog } from "../process/confinement/audit.ts";
import { type Confinement } from "../process/confinement/confine.ts";
import { isScript, scriptArgv } from "../process/script-argv.ts";
import { makeDirectory } from "../system/durable.ts";
import { createScratch } from "../system/scratch.ts";
import { type Context, type Input, type Paint } from "./command.ts";
import { counted } from "./shared/counted.ts";
import { requireLivePack } from "./shared/packs.ts";
import {
  commandExitCode,
  type CommandResult,
  parseTimeout,
  runCommand,
  withOwnFailures,
} from "./shared/run-command.ts";
import { table } from "./shared/text-table.ts";
import { openForReading } from "./shared/workspace.ts";

type Started = { pid: number | null; id: string; log: string };
type Listed = {
  id: string;
  pid: number | null;
  state: "running" | "ended";
  command: string[];
  started: string;
  log: string;
};
type Killed = { id: string; stopped: number; survivors: number };
type Explained = ProcessExplanation & { command: string[] };
type Audit = { layers: AuditCoverage[]; refused: AuditReport[]; is_complete: boolean };
type Result = (CommandResult & { audit?: Audit }) | Started | Listed[] | Killed | Explained;
type ExecInput = Input<
  "background" | "list" | "explain" | "audit" | "require-confinement",
  "timeout" | "kill"
>;

export async function run(context: Context, input: ExecInput): Promise<Result> {
  checkForm(input);
  const timeoutMs = parseTimeout(input.options.timeout);
  return await withOwnFailures(async () => {
    using workspace = await openForReading(context);
    workspace.requireConfinement = input.options["require-confinement"] === true;
    const packId = input.args[0] as string;
    const pack = requireLivePack(workspace, packId).script;
    const records = workspace.paths.background;
    if (input.options.list) return listBackground(records, packId).map(listed);
    if (input.options.kill !== undefined) return await kill(records, packId, input.options.kill);
    if (input.options.explain)
      return { ...explainPackProcess(workspace, pack, "exec"), command: [...input.rest] };

    makeDirectory(pack.dataDirectory, 0o700);
    makeDirectory(pack.logDirectory, 0o700);
    const { argv, env: added } = commandOf(input.rest, pack.packDirectory);
    const isAudit = input.options.audit === true;
    const processIn = (tmpDirectory: string, purpose: "exec" | "background") =>
      packProcess(workspace, pack, purpose, tmpDirectory, isAudit);
    if (input.options.background) {
      const { id, pid, log_file } = await startBackground({
        argv,
        cwd: pack.packDirectory,
        prepare: (tmpDirectory) => {
          const { env, confinement, user } = processIn(tmpDirectory, "background");
          return { env: { ...env, ...added }, confinement, owner: user };
        },
        owner: packId,
        directory: records,
        logFile: (id) => `${pack.logDirectory}/exec-${id}.log`,
        now: context.now(),
      });
      return { pid, id, log: log_file };
    }
    using scratch = createScratch(workspace.paths.tmp, "exec");
    const prepared = processIn(scratch.path, "exec");
    const { env, confinement } = prepared;
    await using _channel = serveOwn(new OwnAnswers(() => workspace), pack.manifest.pack.id, prepared);
    using log = isAudit ? new AuditLog() : undefined;
    const result = await runCommand(context, {
      argv,
      cwd: pack.packDirectory,
      env: { ...env, ...added },
      confinement,
      timeoutMs,
    });
    if (result.out_of_memory)
      context.log.warn(
        `it was killed: all of it together had more memory than limits.memory of "${packId}" allows`,
      );
    return log === undefined ? result : { ...result, audit: auditOf(context, pack, confinement, log) };
  });
}

/** What an audit run tells, and what it cannot tell. */
function auditOf(
  context: Context,
  pack: ScriptPack,
  { audit: layers = [] }: Confinement,
  log: AuditLog,
): Audit {
  if (pack.manifest.pack.permissions.confinement === "required")
    context.log.warn(
      "confinement is required for this pack: nothing was let through, and nothing is reported",
    );
  const found = log.read(process.arch as "x64" | "arm64");
  const refused = found.reports ?? [];
  for (const report of refused) context.log.info(tell(report));
  for (const { layer, state, reason } of layers)
    if (state === "untold") context.log.info(`cannot tell for ${layer}: ${reason}`);
  if (found.reports === undefined) context.log.warn(`the kernel's reports cannot be read: ${found.reason}`);
  else if (!found.isComplete)
    context.log.warn(
      "there was more than this: the kernel leaves reports out where there are too many at once",
    );
  return { layers, refused, is_complete: found.reports !== undefined && found.isComplete };
}

function tell({ pid, command, call, right, object }: AuditReport): string {
  const who = `(${command}, pid ${pid})`;
  if (right === null) return `would be refused: ${call} ${who}`;
  return `was refused: ${[right, object, call && `by ${call}`, who].filter(Boolean).join(" ")}`;
}

export function render(result: Result, paint: Paint): string {
  if (Array.isArray(result)) {
    if (result.length === 0) return "nothing runs in the background";
    return table(
      ["ID", "PID", "STATE", "STARTED", "COMMAND"],
      result.map(({ id, pid, state, started, command }) => [
        id,
        String(pid ?? "-"),
        state === "running" ? paint.green(state) : state,
        started,
        command.join(" "),
      ]),
    );
  }
  if ("policy" in result) return explanationOf(result);
  if ("stopped" in result) return `${result.id}: ${counted(result.stopped, "process", "processes")} stopped`;
  if ("log" in result) return `${result.id}  pid ${result.pid}, output in ${result.log}`;
  return "";
}

export function exitCode(result: Result): number {
  if ("rc" in result) return commandExitCode(result);
  return "survivors" in result && result.survivors > 0 ? 1 : 0;
}

function explanationOf({ policy, absent }: Explained): string {
  const width = (column: "what" | "verdict") => Math.max(...policy.map((line) => line[column].length));
  const [what, verdict] = [width("what"), width("verdict")];
  return [
    ...policy.map((line) => `${line.what.padEnd(what)}  ${line.verdict.padEnd(verdict)}  ${line.by}`),
    ...absent.map((path) => `${path} does not exist, and grants nothing`),
  ].join("\n");
}

function checkForm({ rest, options }: ExecInput): void {
  const forms = [
    options.background && "--background",
    options.list && "--list",
    options.kill !== undefined && "--kill",
    options.explain && "--explain",
    options.audit && "--audit",
  ];
  const [form, other] = forms.filter((name) => typeof name === "string");
  const hint = "aurora help exec shows how it is called";
  if (other !== undefined)
    throw new AuroraError("usage", `${form} and ${other} exclude each other`, { hint });
  const isCommandWanted =
    form === undefined || form === "--background" || form === "--explain" || form === "--audit";
  if (isCommandWanted && rest.length === 0)
    throw new AuroraError("usage", '"exec" needs a command after "--"', {
      hint: "aurora exec PACK -- CMD…",
    });
  if (!isCommandWanted && rest.length > 0)
    throw new AuroraError("usage", `${form} takes no command`, { hint });
  if (options.audit && options["require-confinement"])
    throw new AuroraError("usage", "--audit and --require-confinement exclude each other", { hint });
  if (form !== undefined && form !== "--audit" && options.timeout !== undefined)
    throw new AuroraError("usage", `${form} takes no --timeout`, { hint });
}

/** A script of the pack in TypeScript or JavaScript runs on the built-in runtime, as its entrypoints do. */
function commandOf(words: readonly string[], directory: string) {
  const [name = ""] = words;
  if (name.includes("/") && isScript(name)) return scriptArgv(words, directory);
  return { argv: [...words], env: {} };
}

function listed(record: ReturnType<typeof listBackground>[number]): Listed {
  const { id, pid, argv, started_at, log_file } = record;
  const state = hasEnded(record) ? "ended" : "running";
  return { id, pid, state, command: argv, started: started_at, log: log_file };
}

async function kill(records: string, packId: string, id: string): Promise<Killed> {
  const record = findBackground(records, packId, id);
  if (!record)
    throw new AuroraError("not-found", `"${packId}" has no command "${id}" in the background`, {
      hint: `aurora exec --list ${packId} shows them`,
    });
  const { stopped, survivors } = await stopBackground(record);
  return { id, stopped: stopped.length, survivors: survivors.length };
}
