import { type ChangeResult } from "../../lifecycle/change.ts";
import { isDenied } from "../../lifecycle/transaction.ts";
import { type Paint } from "../command.ts";

/** The end of an install, activate or rollback, for people. */
export function renderChange(result: ChangeResult, paint: Paint): string {
  const { state, reason, packs } = result;
  const packLines = packs.map(
    ({ pack_id, version, generation, health }) =>
      `${pack_id} ${version}${generation === null ? "" : `, generation ${generation}`}${health === "unknown" ? "" : `, ${health}`}`,
  );
  const names = packs.map(({ pack_id }) => pack_id);
  // The reason begins with the pack that it is about.
  const subject = names.find((name) => reason?.startsWith(`${name}: `)) ?? names.at(-1);
  switch (state) {
    case "committed":
      return result.changed
        ? [paint.green("committed"), ...packLines].join("\n")
        : ["nothing changes", ...packLines].join("\n");
    case "unconfirmed":
      return [
        paint.yellow("live, but not confirmed"),
        ...packLines,
        `keep it with: aurora confirm ${names.at(-1)}`,
      ].join("\n");
    case "refused":
      return `${paint.yellow("refused")}: ${reason}`;
    case "rolled-back":
      return [
        `${paint.red("rolled back")}: ${reason}`,
        ...packLines.filter((_, i) => packs[i]?.generation !== null),
        `more: aurora why ${subject}`,
      ].join("\n");
    case "stuck":
      return [`${paint.red("stuck")}: ${reason}`, `what to do: aurora why ${subject}`].join("\n");
  }
}

/** The exit code of a change. What was rolled back because it could not be confined was denied. */
export function changeExitCode({
  state,
  [isDenied]: denied = false,
}: Pick<ChangeResult, "state" | typeof isDenied>): number {
  if (denied && state === "rolled-back") return 9;
  return { committed: 0, unconfirmed: 0, refused: 6, "rolled-back": 4, stuck: 10 }[state];
}
