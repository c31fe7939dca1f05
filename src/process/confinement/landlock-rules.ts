import { type Policy } from "./policy.ts";

/** Rights on files (linux/landlock.h), and the version of the interface that brought them. */
const RIGHT = {
  execute: 1 << 0,
  writeFile: 1 << 1,
  readFile: 1 << 2,
  readDirectory: 1 << 3,
  removeDirectory: 1 << 4,
  removeFile: 1 << 5,
  makeCharacterDevice: 1 << 6,
  makeDirectory: 1 << 7,
  makeRegular: 1 << 8,
  makeSocket: 1 << 9,
  makeFifo: 1 << 10,
  makeBlockDevice: 1 << 11,
  makeSymlink: 1 << 12,
  /** ABI 2: rename and link between directories. */
  refer: 1 << 13,
  /** ABI 3. */
  truncate: 1 << 14,
  /** ABI 5: ioctl(2) on devices. */
  ioctlDevice: 1 << 15,
} as const;
const ABI_1 = 0x1fff;
/** What the kernel accepts in a rule for what is no directory. */
const FILE_RIGHTS = RIGHT.execute | RIGHT.writeFile | RIGHT.readFile | RIGHT.truncate | RIGHT.ioctlDevice;
const BIND_TCP = 1;
const CONNECT_TCP = 2;
const SCOPE_ABSTRACT_UNIX = 1;
const SCOPE_SIGNAL = 2;

export const PORTS_ABI = 4;
export const SCOPES_ABI = 6;
/** What is refused can be logged; by itself only until another program is executed. */
export const AUDIT_ABI = 7;
export const LOG_NEW_EXEC = 2;
/** Below this, truncate(2) is not checked, and the filter for system calls has to refuse it. */
export const TRUNCATE_ABI = 3;

export type Access = "read" | "list" | "execute" | "write" | "device" | "input" | "output";

const read = RIGHT.readFile | RIGHT.readDirectory;
const rightsOf: Record<Access, number> = {
  read,
  list: RIGHT.readDirectory,
  execute: read | RIGHT.execute,
  // Device nodes are not among them: a pack has no business making any.
  write:
    read |
    RIGHT.writeFile |
    RIGHT.removeDirectory |
    RIGHT.removeFile |
    RIGHT.makeDirectory |
    RIGHT.makeRegular |
    RIGHT.makeSocket |
    RIGHT.makeFifo |
    RIGHT.makeSymlink |
    RIGHT.refer |
    RIGHT.truncate |
    RIGHT.ioctlDevice,
  input: RIGHT.readFile | RIGHT.ioctlDevice,
  output: RIGHT.writeFile | RIGHT.truncate | RIGHT.ioctlDevice,
  device: RIGHT.readFile | RIGHT.writeFile | RIGHT.truncate | RIGHT.ioctlDevice,
};

/** The rights that a kernel of this ABI checks. All of them are handled: what no rule grants is refused. */
function handledRights(abi: number): number {
  return (
    ABI_1 |
    (abi >= 2 ? RIGHT.refer : 0) |
    (abi >= TRUNCATE_ABI ? RIGHT.truncate : 0) |
    (abi >= 5 ? RIGHT.ioctlDevice : 0)
  );
}

/** What a rule for a path may say on a kernel of this ABI. */
export function pathRights(access: Access, isDirectory: boolean, abi: number): number {
  return rightsOf[access] & handledRights(abi) & (isDirectory ? ~0 : FILE_RIGHTS);
}

/**
 * struct landlock_ruleset_attr: what is refused unless a rule grants it. A shorter one is right for an older kernel.
 */
export function rulesetWords(abi: number, { unix, signals }: Pick<Policy, "unix" | "signals">): number[] {
  const words = [handledRights(abi)];
  if (abi >= PORTS_ABI) words.push(BIND_TCP | CONNECT_TCP);
  // Who may reach sockets with a path may reach those with an abstract name as well.
  if (abi >= SCOPES_ABI)
    words.push((signals === "inside" ? SCOPE_SIGNAL : 0) | (unix ? 0 : SCOPE_ABSTRACT_UNIX));
  return words;
}

/** One rule for each port: struct landlock_net_port_attr. */
export function portRules(
  net: { connect: readonly number[]; listen: readonly number[] },
  abi: number,
): { port: number; words: number[] }[] {
  if (abi < PORTS_ABI) return [];
  return [...new Set([...net.connect, ...net.listen])].map((port) => ({
    port,
    words: [
      (net.listen.includes(port) ? BIND_TCP : 0) | (net.connect.includes(port) ? CONNECT_TCP : 0),
      port,
    ],
  }));
}
