import { AuroraError } from "../errors.ts";
import { parseNotifyMessage } from "../supervisor/notify-message.ts";
import { nearest } from "../system/nearest.ts";
import { notifySystemd } from "../system/notify-systemd.ts";
import { type Context, type Input } from "./command.ts";

type NotifyResult = { told: readonly string[] };

const examples = ["READY=1", "STATUS=", "STOPPING=1", "WATCHDOG=1", "WATCHDOG=trigger", "MAINPID="];

/** For services in shell or TypeScript on a machine without systemd-notify(1). All assignments go in one message. */
export function run(context: Context, { args }: Input): NotifyResult {
  for (const assignment of args) refuseUnknown(assignment);
  const socket = context.env["NOTIFY_SOCKET"];
  if (socket === undefined)
    throw new AuroraError("failed", "cannot tell the supervisor: NOTIFY_SOCKET is not set", {
      hint: "what a service of the type notify has started calls this",
    });
  if (!notifySystemd(socket, args.join("\n")))
    throw new AuroraError("failed", `cannot tell the supervisor: nobody listens at "${socket}"`);
  return { told: args };
}

/** sd_notify(3) has a supervisor pass over what it does not understand, so that a slip of the pen would be waited for in vain. */
function refuseUnknown(assignment: string): void {
  const { events, status, mainPid } = parseNotifyMessage(assignment);
  const isAssignment = /^[^=\n]+=[^\n]*$/.test(assignment);
  if (isAssignment && (events.length > 0 || status !== null || mainPid !== null)) return;
  const near = nearest(assignment, examples);
  throw new AuroraError("usage", `${JSON.stringify(assignment)} is nothing that a service can say`, {
    hint: near ? `did you mean "${near}"?` : "aurora help notify shows what it can say",
  });
}

export const render = (): string => "";
