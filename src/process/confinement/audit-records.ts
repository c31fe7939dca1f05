import { type AuditRecord } from "../../system/audit-socket.ts";
import { type Arch, nameOfSystemCall } from "./system-calls.ts";

/** Something that the policy refuses. */
export type AuditReport = {
  pid: number;
  command: string;
  /** The system call; null where the kernel has not told which. */
  call: string | null;
  /** What of it Landlock has refused, in its words ("fs.read_file"); null where the call was let through, and is only reported. */
  right: string | null;
  /** What it was refused for: a path, a port, a process; null where that is not told. */
  object: string | null;
};

/** What was found, or why nothing can be. `isComplete` is false where the kernel has left records out. */
export type AuditReports =
  { reports: AuditReport[]; isComplete: boolean } | { reports: undefined; reason: string };

/** A part of an event may be in each of several records: they have the same time and number. */
type Record = { type: number; event: string; fields: Map<string, string> };

/** audit(8)'s types of records. */
const SECCOMP = 1326;
const SYSTEM_CALL = 1300;
const LANDLOCK_ACCESS = 1423;
const LANDLOCK_DOMAIN = 1424;
const LET_THROUGH = "0x7ffc0000";
const EVENT = /^audit\(([\d.:]+)\): (.*)$/s;
const FIELD = /(\w+)=("[^"]*"|\S+)/g;

/** Says of a program whether it is what restricts an audit run by Landlock: others restrict themselves. */
type IsOurs = (program: string) => boolean;

/** Picks the reports out of records: pure. */
export function parseReports(
  records: readonly AuditRecord[],
  arch: Arch,
  isOurs: IsOurs,
): { reports: AuditReport[]; isComplete: boolean } {
  const parsed = records.flatMap(parseRecord);
  const callOf = ({ fields }: Record) => {
    const number = fields.get("syscall");
    return number === undefined ? null : (nameOfSystemCall(Number(number), arch) ?? `system call ${number}`);
  };
  const calls = new Map(
    parsed.filter(({ type }) => type === SYSTEM_CALL).map((record) => [record.event, record]),
  );
  const domains = domainsOf(parsed, isOurs);
  const reports = parsed.flatMap((record): AuditReport[] => {
    const { type, event, fields } = record;
    if (type === SECCOMP && fields.get("code") === LET_THROUGH)
      return [{ ...processOf(record), call: callOf(record), right: null, object: null }];
    const domain = domains.get(fields.get("domain"));
    if (type !== LANDLOCK_ACCESS || domain === undefined) return [];
    domain.reported++;
    const call = calls.get(event);
    return [
      {
        ...processOf(call ?? domain.record),
        call: call === undefined ? null : callOf(call),
        right: fields.get("blockers") ?? "",
        object: objectOf(fields),
      },
    ];
  });
  const isComplete = [...domains.values()].every(({ reported, denials = reported }) => reported >= denials);
  return { reports, isComplete };
}

/** How many of our domains have not come to their end yet: pure. */
export function openDomains(records: readonly AuditRecord[], isOurs: IsOurs): number {
  const domains = domainsOf(records.flatMap(parseRecord), isOurs);
  return [...domains.values()].filter(({ denials }) => denials === undefined).length;
}

/** What restricts an audit run, and what the kernel says of it: when it refuses for the first time, and at its end. */
type Domain = { record: Record; reported: number; denials?: number };

function domainsOf(records: readonly Record[], isOurs: IsOurs): Map<string | undefined, Domain> {
  const domains = new Map<string | undefined, Domain>();
  for (const record of records.filter(({ type }) => type === LANDLOCK_DOMAIN)) {
    const { fields } = record;
    const known = domains.get(fields.get("domain"));
    if (isOurs(fields.get("exe") ?? "")) domains.set(fields.get("domain"), { record, reported: 0 });
    else if (known !== undefined) known.denials = Number(fields.get("denials"));
  }
  return domains;
}

function parseRecord({ type, text }: AuditRecord): Record[] {
  const match = EVENT.exec(text);
  if (match === null) return [];
  const [, event = "", rest = ""] = match;
  const fields = new Map([...rest.matchAll(FIELD)].map(([, name = "", value = ""]) => [name, value]));
  for (const name of TEXTS) {
    const value = fields.get(name);
    if (value !== undefined) fields.set(name, textOf(value));
  }
  return [{ type, event, fields }];
}

const TEXTS = ["comm", "exe", "path", "ocomm"];

/** The kernel quotes a text, or writes it in hexadecimal digits where there is a space or a quote in it. */
function textOf(value: string): string {
  if (value.startsWith('"')) return value.slice(1, -1);
  return /^([0-9A-F]{2})+$/.test(value) ? Buffer.from(value, "hex").toString() : value;
}

function processOf({ fields }: Record): Pick<AuditReport, "pid" | "command"> {
  return { pid: Number(fields.get("pid")), command: fields.get("comm") ?? "" };
}

/** What security/landlock and lsm_audit(7) of the kernel tell of a file, an address or a process. */
function objectOf(fields: ReadonlyMap<string, string>): string | null {
  const path = fields.get("path");
  if (path !== undefined) return path;
  const port = fields.get("dest") ?? fields.get("src");
  if (port !== undefined) return `port ${port}`;
  const other = fields.get("opid");
  return other === undefined ? null : `${fields.get("ocomm") ?? "process"} ${other}`;
}
