import { type Diagnostic, type ErrorCode } from "../errors.ts";

/** What `check` finds, beside the errors of reading a manifest. docs/manifest.md says what each means. */
type PackFindingCode =
  | "file-missing"
  | "not-a-file"
  | "outside-pack"
  | "ignored"
  | "not-executable"
  | "no-shebang"
  | "no-interpreter"
  | "not-sealed"
  | "no-health-check"
  | "mount-source-missing"
  | "manifest-preference";

/** A diagnostic that also says how bad it is. An error keeps the pack from being staged; a warning does not. */
export type Finding = Diagnostic & { severity: "error" | "warning"; code: PackFindingCode | ErrorCode };
