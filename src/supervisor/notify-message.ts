import { oneLine } from "../system/one-line.ts";
import { type ServiceEvent } from "./service-machine.ts";

export type NotifyMessage = {
  events: ServiceEvent[];
  status: string | null;
  /** MAINPID=: the process that stands for the service from now on, as the sender numbers it. */
  mainPid: number | null;
};

/**
 * What a message of sd_notify(3) says. Unknown assignments are left out, as sd_notify(3) wants it; so are those whose value
 * makes no sense. Pure.
 */
export function parseNotifyMessage(text: string): NotifyMessage {
  const events: ServiceEvent[] = [];
  let status: string | null = null;
  let mainPid: number | null = null;
  for (const line of text.split("\n")) {
    const [name, value] = splitOnce(line);
    if (name === "STATUS") status = oneLine(value);
    if (name === "MAINPID" && /^[1-9]\d{0,9}$/.test(value)) mainPid = Number(value);
    const event = eventOf(name, value);
    if (event) events.push(event);
  }
  return { events, status, mainPid };
}

function eventOf(name: string, value: string): ServiceEvent | undefined {
  switch (`${name}=${value}`) {
    case "READY=1":
      return { type: "ready" };
    case "STOPPING=1":
      return { type: "leaving" };
    case "WATCHDOG=1":
      return { type: "alive" };
    case "WATCHDOG=trigger":
      return { type: "trigger" };
    default:
  }
  const ms = /^\d{1,15}$/.test(value) ? Number(value) / 1000 : undefined;
  if (ms === undefined) return undefined;
  if (name === "WATCHDOG_USEC") return { type: "watchdog", ms };
  return name === "EXTEND_TIMEOUT_USEC" ? { type: "extended", byMs: ms } : undefined;
}

function splitOnce(line: string): [name: string, value: string] {
  const at = line.indexOf("=");
  return at === -1 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
}
