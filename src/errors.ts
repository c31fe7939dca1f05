/** A place in a file the user wrote. Lines and columns start at 1; `text` is the line, `length` what the caret covers. */
export type SourcePosition = { file: string; line: number; column: number; length?: number; text?: string };

/** One finding about user input. An error carries several when the input has several faults. */
export type Diagnostic = {
  message: string;
  source?: SourcePosition | undefined;
  hint?: string | undefined;
};

/**
 * Every failure a user can meet: its exit code and what it means. The one table from which
 * `aurora help errors` and docs/reference/errors.md are made. Codes are public: add, never rename.
 */
export const errorCodes = {
  failed: { exit: 1, meaning: "The operation failed for the reason in the message." },
  io: { exit: 1, meaning: "The operating system refused to read or write." },
  "script-failed": { exit: 1, meaning: "A pack's script ended with a non-zero exit code." },
  "no-space": { exit: 1, meaning: "There is not enough free disk space." },
  "home-unusable": { exit: 1, meaning: "The home directory cannot be created or used." },
  "unknown-outcome": {
    exit: 1,
    meaning: "It may have been done or not: whoever was asked has ended without an answer.",
  },
  "not-supported": { exit: 1, meaning: "This build or this machine cannot do that." },
  "quota-exceeded": { exit: 1, meaning: "The pack's quota does not allow this write." },
  "too-large": { exit: 1, meaning: "The value is larger than the limit." },
  interrupted: {
    exit: 130,
    meaning: "The operation was stopped by a signal, and what it had begun was undone.",
  },
  usage: { exit: 2, meaning: "The command line is wrong." },
  "invalid-path": { exit: 2, meaning: "The path is not one the VFS accepts." },
  unhealthy: { exit: 4, meaning: "A health check failed or timed out." },
  "not-found": { exit: 5, meaning: "No such pack, path, key, job or generation." },
  "approval-required": { exit: 6, meaning: "An operator has to approve this plan." },
  "approval-refused": { exit: 6, meaning: "The operator refused, or approved another plan." },
  "manifest-missing": { exit: 7, meaning: "The directory has no manifest." },
  "manifest-syntax": { exit: 7, meaning: "The manifest is not well-formed YAML or JSON." },
  "manifest-invalid": { exit: 7, meaning: "The manifest does not follow its schema." },
  "pack-invalid": { exit: 7, meaning: "The pack holds something a pack may not hold." },
  "checksum-mismatch": { exit: 7, meaning: "A file does not have the checksum that was recorded." },
  "state-invalid": { exit: 7, meaning: "The home's state does not verify." },
  "state-newer": { exit: 7, meaning: "The home was written by a newer Aurora." },
  locked: { exit: 8, meaning: "Another transaction is at work." },
  exists: { exit: 8, meaning: "It exists already." },
  conflict: { exit: 8, meaning: "It is not as the command expects it to be." },
  "not-empty": { exit: 8, meaning: "The directory is not empty." },
  "version-conflict": { exit: 8, meaning: "A version constraint is not satisfied." },
  "dependency-missing": {
    exit: 8,
    meaning: "A pack that this one depends on is neither given nor installed.",
  },
  "dependency-cycle": { exit: 8, meaning: "Packs depend on each other in a circle." },
  "in-use": { exit: 8, meaning: "Another pack depends on it." },
  "epoch-conflict": {
    exit: 8,
    meaning: "The generation does not read the format that the pack's data is in.",
  },
  "environment-missing": { exit: 8, meaning: "A variable that the pack needs is not set." },
  quarantined: { exit: 8, meaning: "This digest failed its health gate before." },
  denied: { exit: 9, meaning: "Outside the pack's root or its permissions." },
  "escape-refused": { exit: 9, meaning: "The path leads out of the pack's root." },
  "read-only": { exit: 9, meaning: "The mount or the tree is read-only." },
  "is-a-directory": { exit: 1, meaning: "It is a directory, and a file was expected." },
  "not-a-directory": { exit: 1, meaning: "It is not a directory." },
  "not-regular": { exit: 1, meaning: "It is neither a regular file nor a directory." },
  stuck: { exit: 10, meaning: "Neither the new nor the old state could be reached." },
  internal: { exit: 70, meaning: "A bug in Aurora." },
  "output-failed": { exit: 74, meaning: "The output could not be written." },
  "timed-out": { exit: 124, meaning: "The time limit passed." },
  "exec-failed": { exit: 125, meaning: "Aurora itself could not run the command." },
  "not-executable": { exit: 126, meaning: "The command was found but cannot be executed." },
  "command-not-found": { exit: 127, meaning: "The command was not found." },
} as const satisfies Record<string, { exit: number; meaning: string }>;

export type ErrorCode = keyof typeof errorCodes;

type ErrorInit = { hint?: string | undefined; diagnostics?: Diagnostic[]; cause?: unknown };

/** An operating error: expected, shown without a stack, mapped to an exit code. Anything else thrown is a bug. */
export class AuroraError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly diagnostics: Diagnostic[];

  constructor(code: ErrorCode, message: string, init: ErrorInit = {}) {
    super(message, { cause: init.cause });
    this.code = code;
    this.hint = init.hint;
    this.diagnostics = init.diagnostics ?? [];
  }

  get exitCode(): number {
    return errorCodes[this.code].exit;
  }
}
AuroraError.prototype.name = "AuroraError";

const systemReasons: Record<string, string> = {
  ENOSPC: "no space left on the device",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EIO: "input/output error",
  EMFILE: "too many open files",
  // What starts processes and threads says so; what is only busy is tried again where that is met.
  EAGAIN: "too many processes, or something else is used up for now",
  ENOMEM: "there is not enough memory, or there are too many processes",
  ENFILE: "too many open files on this machine",
  EEXIST: "there is something else already",
  ENOENT: "no such file or directory",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  ELOOP: "too many levels of symbolic links",
  ENAMETOOLONG: "the name is too long",
  EXDEV: "it lies on another file system",
  EFBIG: "the file would be larger than the limit for files",
  ENOEXEC: "its format is not one this machine executes",
};

/** The plain words for an errno name, or the name itself; undefined for what is no system error. */
export function systemReason(thrown: unknown): string | undefined {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? (systemReasons[code] ?? code) : undefined;
}

/**
 * Wraps whatever was thrown. A system error (it has an errno name) becomes `io` or `no-space` and names the path;
 * anything else that is no AuroraError is a bug and says so.
 */
export function toAuroraError(thrown: unknown): AuroraError {
  if (thrown instanceof AuroraError) return thrown;
  // Tidying up has failed too. What it was done for tells more.
  if (thrown instanceof SuppressedError) return toAuroraError(thrown.suppressed);
  const reason = systemReason(thrown);
  if (reason !== undefined) {
    const { code, path, syscall } = thrown as NodeJS.ErrnoException;
    const isFull = code === "ENOSPC" || code === "EDQUOT";
    return new AuroraError(
      isFull ? "no-space" : "io",
      `cannot ${syscall ?? "use"} ${path ? `"${path}"` : "a file"}: ${reason}`,
      {
        cause: thrown,
        hint: isFull ? "free some space and run the command again" : undefined,
      },
    );
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new AuroraError("internal", message, {
    cause: thrown,
    hint: "this is a bug in Aurora; AURORA_DEBUG=1 shows where",
  });
}

/** The document that stands for an error in JSON, on stderr as on the daemon's socket. */
export type ErrorDocument = {
  error: {
    code: ErrorCode;
    message: string;
    hint: string | null;
    exit_code: number;
    diagnostics: {
      message: string;
      file: string | null;
      line: number | null;
      column: number | null;
      hint: string | null;
    }[];
  };
};

export function errorDocument(error: AuroraError, exitCode = error.exitCode): ErrorDocument {
  const { code, message, hint, diagnostics } = error;
  return {
    error: {
      code,
      message,
      hint: hint ?? null,
      exit_code: exitCode,
      diagnostics: diagnostics.map((diagnostic) => ({
        message: diagnostic.message,
        file: diagnostic.source?.file ?? null,
        line: diagnostic.source?.line ?? null,
        column: diagnostic.source?.column ?? null,
        hint: diagnostic.hint ?? null,
      })),
    },
  };
}
