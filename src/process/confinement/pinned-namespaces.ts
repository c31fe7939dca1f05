import { closeSync, openSync } from "node:fs";

import { openMemfdExecutable } from "../../system/memfd-executable.ts";
import { raiseDescriptor } from "../../system/raise-descriptor.ts";
import { compileHolder } from "./start-plan.ts";
import { FIRST_PASSED, type PinnedNamespaces } from "./start.ts";
import { type Arch } from "./system-calls.ts";

const STDERR = 2;
/** Who starts so many commands starts more. */
const STARTS_BEFORE = 3;

let starts = 0;
let pinned: PinnedNamespaces | undefined;

/**
 * An empty network namespace costs more to make than everything else of a start together, and one is as empty as the other:
 * whoever starts many commands makes one and lets all of them enter it. Nobody can do anything in it, since there is not even
 * a socket where there is this layer.
 *
 * It is made beside the first starts; until it is there, and wherever it cannot be made, undefined is returned, and each start
 * makes its own.
 */
export function pinnedNamespaces(arch: Arch, needsUserNamespace: boolean): PinnedNamespaces | undefined {
  if (++starts === STARTS_BEFORE) void pin(arch, needsUserNamespace);
  return pinned;
}

/** What the launcher gets as `PINNED_NETWORK` and `PINNED_USER`. */
export function pinnedDescriptors({ user, network }: PinnedNamespaces): number[] {
  return user === undefined ? [network] : [network, user];
}

/** Has a process make the namespaces and wait, opens them, and lets it end. */
async function pin(arch: Arch, needsUserNamespace: boolean): Promise<void> {
  const opened: number[] = [];
  const open = (path: string) => {
    const descriptor = raiseDescriptor(openSync(path, "r"), FIRST_PASSED);
    opened.push(descriptor);
    return descriptor;
  };
  try {
    const image = compileHolder(arch, needsUserNamespace, process.geteuid?.() ?? 0, process.getegid?.() ?? 0);
    const executable = openMemfdExecutable("aurora-holder", image.build(arch, STDERR));
    opened.push(executable);
    const holder = Bun.spawn([`/proc/${process.pid}/fd/${executable}`], {
      env: {},
      stdio: ["pipe", "pipe", "ignore"],
    });
    holder.unref();
    closeSync(opened.pop() as number);
    const { done } = await holder.stdout.getReader().read();
    if (done) return;
    const user = needsUserNamespace ? open(`/proc/${holder.pid}/ns/user`) : undefined;
    const network = open(`/proc/${holder.pid}/ns/net`);
    await holder.stdin.end();
    pinned = { user, network };
  } catch {
    for (const descriptor of opened) closeSync(descriptor);
  }
}
