import { AuroraError } from "../errors.ts";
import { insideOf } from "../process/inside.ts";
import { livingProcess, send, signalled } from "../process/tree.ts";
import { serviceOf, type ServiceRow } from "../registry/services.ts";
import { bootId } from "../system/boot.ts";
import { nearest } from "../system/nearest.ts";
import { operatingSystem } from "../system/operating-system.ts";
import { signalProcess } from "../system/signal-process.ts";
import { type LivePack } from "./live-pack.ts";
import { observeService } from "./observe-service.ts";
import { isHosted } from "./service-host.ts";
import { serviceTree } from "./service.ts";
import { type Workspace } from "./workspace.ts";

/** `pids`: who has got it; none where the pack does not run. */
export type SignalledPack = { pack_id: string; signal: string; pids: number[] };

/**
 * The signal that is meant by a name, with "SIG" or without and in any case, or by a number.
 *
 * @throws {AuroraError} `usage` where there is none
 */
export function parseSignal(text: string): NodeJS.Signals {
  const known = Object.entries(operatingSystem().constants.signals) as [NodeJS.Signals, number][];
  const wanted = text.toUpperCase().replace(/^(?:SIG)?/, "SIG");
  const found = known.find(([name, number]) => name === wanted || String(number) === text);
  if (found) return found[0];
  const near = nearest(
    wanted,
    known.map(([name]) => name),
  );
  throw new AuroraError("usage", `there is no signal "${text}"`, {
    hint: near ? `did you mean "${near}"?` : "such as HUP, USR1, SIGTERM or 9",
  });
}

/**
 * Sends a signal to a pack: to the process that its start entrypoint became, or, where there is none of those, to all that its start
 * has left running. Whether the pack goes on is its own affair, and then the supervisor's.
 *
 * @param isToAll to every process of it in any case
 */
export function signalPack(
  { registry }: Pick<Workspace, "registry">,
  { script: { manifest } }: LivePack,
  signal: NodeJS.Signals,
  isToAll: boolean,
): SignalledPack {
  const packId = manifest.pack.id;
  const row = serviceOf(registry, packId);
  const pids = !row ? [] : isHosted(manifest) && !isToAll ? signalMain(row, signal) : signalAll(row, signal);
  return { pack_id: packId, signal, pids };
}

function signalMain(row: ServiceRow, signal: NodeJS.Signals): number[] {
  const [first] = observeService(row, bootId()).processes;
  if (!first) return [];
  // The first process may be only the relay of a pid namespace, which passes on most signals and not all.
  const main = first.inside?.command ?? insideOf(first.pid)?.command ?? first;
  return signalProcess(main.pid, signal, () => livingProcess(main) !== undefined) ? [main.pid] : [];
}

function signalAll(row: ServiceRow, signal: NodeJS.Signals): number[] {
  return signalled(serviceTree(row).find()).flatMap((identity) =>
    send(identity, signal) ? [identity.pid] : [],
  );
}
