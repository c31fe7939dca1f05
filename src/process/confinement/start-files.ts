import { dirname } from "node:path";

import { pathRights, portRules, rulesetWords } from "./landlock-rules.ts";
import { isBelow } from "./policy.ts";
import { INIT_NAME, RELAY_NAME } from "./process-names.ts";
import { type Address, ENDING_ADDRESS, SPLIT } from "./program-image.ts";
import { type Root } from "./roots.ts";
import {
  AT_FDCWD,
  O_CLOEXEC,
  PINNED_NETWORK,
  PINNED_USER,
  type PinnedNamespaces,
  type Start,
} from "./start.ts";

const ENOENT = 2;
const EBADF = 9;
const EEXIST = 17;
const PASSABLE_MODE = 0o711;
const O_PATH = 0o10_000_000;
const O_WRONLY = 1;
const RESOLVE_NO_SYMLINKS = 0x04;
const OPEN_HOW_BYTES = 24;
const CLONE_NEWNS = 0x0002_0000;
const CLONE_NEWUSER = 0x1000_0000;
const CLONE_NEWPID = 0x2000_0000;
const CLONE_NEWNET = 0x4000_0000;
const PAGE_BYTES = 65_536;
const KIB = 1024;
const PROT_READ_WRITE = 3;
/** MAP_SHARED, MAP_ANONYMOUS and MAP_FIXED_NOREPLACE. */
const MAP_SHARED_AT = 0x01 | 0x20 | 0x10_0000;
const MS_RDONLY = 1;
const MS_NOEXEC = 8;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_REC = 0x4000;
const MS_SLAVE = 1 << 19;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
const OPEN_TREE_CLONE = 1;
/** MOVE_MOUNT_F_EMPTY_PATH and MOVE_MOUNT_T_EMPTY_PATH: both ends by descriptor. */
const BY_DESCRIPTOR = 0x04 | 0x40;
const MOUNT_ATTR_RDONLY_NOSUID = 1 | 2;
const MOUNT_ATTR_BYTES = 32;
const LANDLOCK_RULE_PATH_BENEATH = 1;
const LANDLOCK_RULE_NET_PORT = 2;

/** A root, and where its descriptor is kept: in the rule that grants it. */
type Grant = { root: Root; rule: Address; descriptor: Address };

/**
 * Makes a mount namespace in which only the writable roots are writable, and a Landlock ruleset that grants the roots and
 * ports; each where it is enforced.
 *
 * @returns where the ruleset's descriptor is, if there is one
 */
export function prepareFiles(start: Start): Address | undefined {
  const { plan, has } = start;
  const hasNamespace = has("mount-namespace");
  if (hasNamespace) enterNamespaces(start);
  if (has("reaper")) split(start, 0);
  const grants = plan.roots
    .filter(({ sharedMemory }) => sharedMemory !== "replaced" || hasNamespace || isOwnUser(start))
    .map((root) => createGrant(start, root));
  const replaced = hasNamespace ? grants.filter(({ root }) => root.sharedMemory === "replaced") : [];
  const writable = grants.filter((grant) => grant.root.access === "write" && !replaced.includes(grant));
  for (const grant of writable) open(start, grant);
  if (hasNamespace) {
    const copies = copyMounts(start, writable);
    protectMounts(start);
    for (const { root } of replaced) mountMemory(start, root.path);
    for (const copy of copies) {
      const { sharedMemory, path } = copy.grant.root;
      const isHidden = sharedMemory === "kept" && replaced.some(({ root }) => isBelow(path, root.path));
      mountCopy(start, copy, isHidden ? makePlace(start, path) : copy.grant.descriptor);
    }
    if (has("process-namespace")) mountProcesses(start);
  }
  if (!has("landlock-files")) return undefined;
  const ruleset = createRuleset(start);
  for (const grant of grants) {
    if (!writable.includes(grant)) open(start, grant);
    addRule(start, grant, ruleset);
  }
  grantOwnStreams(start, ruleset);
  for (const { port, words } of portRules(plan.policy.net, plan.landlockAbi)) {
    const { image, call } = start;
    const args = [ruleset, LANDLOCK_RULE_NET_PORT, image.words(...words), 0];
    call(`grant port ${port}`, "landlock_add_rule", args, { indirect: [0] });
  }
  return ruleset;
}

/**
 * Whether what other packs have in the machine's shared memory belongs to other users. Where it does not, and there can be no
 * other for this command, it gets none.
 */
function isOwnUser({ plan: { policy, uid } }: Start): boolean {
  return policy.uid !== undefined && policy.uid !== uid;
}

function enterNamespaces(start: Start): void {
  const { call, image, plan, has } = start;
  const { needsUserNamespace, pinned } = plan;
  if (pinned) enterPinned(start, pinned);
  const isUserNew = needsUserNamespace && pinned?.user === undefined;
  const isNetworkNew = has("network-namespace") && pinned === undefined;
  const flags = CLONE_NEWNS | (isUserNew ? CLONE_NEWUSER : 0) | (isNetworkNew ? CLONE_NEWNET : 0);
  if (has("process-namespace")) split(start, flags | CLONE_NEWPID);
  else call("enter namespaces", "unshare", [flags]);
  if (isUserNew) mapUser(start);
  // What is mounted here stays here; what the machine mounts later still arrives.
  call("keep mounts inside", "mount", [image.text("none"), image.text("/"), 0, MS_REC | MS_SLAVE, 0]);
}

/** The descriptors come from the caller: a process in a user namespace could not open those of one outside. */
function enterPinned({ call }: Start, { user }: PinnedNamespaces): void {
  if (user !== undefined) call("enter the user namespace", "setns", [PINNED_USER, CLONE_NEWUSER]);
  call("enter the network namespace", "setns", [PINNED_NETWORK, CLONE_NEWNET]);
}

/** The process that makes namespaces for others, says so, and waits until it is told to end. */
export function holdNamespaces(start: Start): void {
  const { call, image, plan } = start;
  const { needsUserNamespace } = plan;
  call("enter namespaces", "unshare", [CLONE_NEWNET | (needsUserNamespace ? CLONE_NEWUSER : 0)]);
  if (needsUserNamespace) mapUser(start);
  const byte = image.text("x");
  call("say so", "write", [1, byte, 1]);
  call("wait", "read", [0, byte, 1]);
  call("end", "exit_group", [0]);
}

function mapUser({ call, image, plan }: Start): void {
  const { uid, gid } = plan;
  // user_namespaces(7): without capabilities outside, one may map only oneself, and only after giving up setgroups.
  const maps = [
    ["/proc/self/setgroups", "deny"],
    ["/proc/self/uid_map", `${uid} ${uid} 1`],
    ["/proc/self/gid_map", `${gid} ${gid} 1`],
  ] as const;
  for (const [path, content] of maps) {
    const descriptor = image.words(-1);
    call(`open "${path}"`, "openat", [AT_FDCWD, image.text(path), O_WRONLY | O_CLOEXEC, 0], {
      store: descriptor,
    });
    call(`write "${path}"`, "write", [descriptor, image.text(content), content.length], { indirect: [0] });
    call("close", "close", [descriptor], { indirect: [0] });
  }
}

/**
 * Whoever unshares a pid namespace is not in it, its children are.
 *
 * @param flags the namespaces; 0 for none, and then what stays outside is a reaper
 */
function split({ call, image, plan, has }: Start, flags: number): void {
  const anonymous = -1;
  call("map memory", "mmap", [ENDING_ADDRESS, PAGE_BYTES, PROT_READ_WRITE, MAP_SHARED_AT, anonymous, 0]);
  const names = [image.text(RELAY_NAME), image.text(INIT_NAME)];
  const children = image.text("/proc/thread-self/children");
  const { memory_bytes: memory } = plan.policy.limits;
  const limitKib = memory !== null && has("memory-watch") ? Math.max(1, Math.floor(memory / KIB)) : 0;
  image.step({
    number: SPLIT,
    text: flags === 0 ? "watch over the command" : "enter namespaces",
    args: [flags, ...names, plan.newSession ? 1 : 0, children, limitKib],
  });
}

function createGrant({ image, plan }: Start, root: Root): Grant {
  const rule = image.words(pathRights(root.access, root.isDirectory, plan.landlockAbi), -1);
  // struct landlock_path_beneath_attr is packed: the 32 bits of the descriptor come right behind the rights.
  return { root, rule, descriptor: (rule + 8) as Address };
}

function open({ call, image }: Start, { root, descriptor }: Grant): void {
  const path = image.text(root.path);
  const flags = O_PATH | O_CLOEXEC;
  if (root.isStrict) {
    const how = image.words(flags, 0, RESOLVE_NO_SYMLINKS);
    call(grantText(root), "openat2", [AT_FDCWD, path, how, OPEN_HOW_BYTES], {
      store: descriptor,
    });
    return;
  }
  // What has vanished from the system since it was looked at grants nothing.
  call(grantText(root), "openat", [AT_FDCWD, path, flags, 0], { store: descriptor, tolerate: ENOENT });
}

/** One text for all that concerns a root: there may be hundreds of them. */
function grantText({ path, isStrict }: Root): string {
  return isStrict ? `grant "${path}" without following links` : `grant "${path}"`;
}

/**
 * `echo x > /dev/stderr` opens anew what the stream is: the caller's terminal, or the file that output was redirected to. What
 * can already be read or written through the descriptor may be opened again for the same. Pipes need no grant, and the kernel
 * takes none for them.
 */
function grantOwnStreams({ call, image, plan }: Start, ruleset: Address): void {
  for (const [descriptor, access] of [
    [0, "input"],
    [1, "output"],
    [2, "output"],
  ] as const) {
    const rule = image.words(pathRights(access, false, plan.landlockAbi), descriptor);
    const args = [ruleset, LANDLOCK_RULE_PATH_BENEATH, rule, 0];
    call("grant the standard streams", "landlock_add_rule", args, { indirect: [0], tolerate: "any" });
  }
}

/** A mount of a writable root that is nowhere yet, and where its descriptor is kept. */
type Copy = { grant: Grant; mount: Address };

function copyMounts({ call, image }: Start, writable: readonly Grant[]): Copy[] {
  return writable.map((grant) => {
    const mount = image.words(-1);
    const flags = OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE;
    call(`copy the mount of "${grant.root.path}"`, "open_tree", [grant.descriptor, image.text(""), flags], {
      indirect: [0],
      store: mount,
    });
    return { grant, mount };
  });
}

/**
 * Makes every mount read-only but the copies of the writable roots, made by their descriptors beforehand: then not even modes,
 * owners, times and attributes can be changed elsewhere, which Landlock does not look at.
 */
function protectMounts({ call, image }: Start): void {
  const attributes = image.words(MOUNT_ATTR_RDONLY_NOSUID, 0, 0, 0);
  const args = [AT_FDCWD, image.text("/"), AT_RECURSIVE, attributes, MOUNT_ATTR_BYTES];
  call("make mounts read-only", "mount_setattr", args);
}

function mountCopy({ call, image }: Start, { grant, mount }: Copy, place: Address): void {
  const nothing = image.text("");
  call(`mount "${grant.root.path}"`, "move_mount", [mount, nothing, place, nothing, BY_DESCRIPTOR], {
    indirect: [0, 2],
  });
}

/**
 * A directory to mount something on, in an empty file system that nobody else sees yet.
 *
 * @returns where its descriptor is
 */
function makePlace({ call, image }: Start, path: string): Address {
  const text = `make a place for "${path}"`;
  const above = image.text(dirname(path));
  // Whatever the umask is: what the place is in can be passed through, and what it is itself is covered.
  call(text, "mkdirat", [AT_FDCWD, above, 0], { tolerate: EEXIST });
  call(text, "fchmodat", [AT_FDCWD, above, PASSABLE_MODE]);
  const here = image.text(path);
  call(text, "mkdirat", [AT_FDCWD, here, 0]);
  const place = image.words(-1);
  call(text, "openat", [AT_FDCWD, here, O_PATH | O_CLOEXEC, 0], { store: place });
  return place;
}

/** An empty file system in memory, which only this command and its children see, with no more in it than it may use itself. */
function mountMemory({ call, image, plan }: Start, path: string): void {
  const type = image.text("tmpfs");
  const flags = MS_NOSUID | MS_NODEV;
  const { memory_bytes: bytes } = plan.policy.limits;
  const options = bytes === null ? "mode=1777" : `mode=1777,size=${bytes}`;
  call(`mount "${path}"`, "mount", [type, image.text(path), type, flags, image.text(options)]);
}

/** In place of the machine's, in which every process is. */
function mountProcesses({ call, image }: Start): void {
  const [type, path] = [image.text("proc"), image.text("/proc")];
  const flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  call('mount "/proc"', "mount", [type, path, type, flags, 0]);
}

function createRuleset({ call, image, plan }: Start): Address {
  const ruleset = image.words(-1);
  const attributes = rulesetWords(plan.landlockAbi, plan.policy);
  const args = [image.words(...attributes), attributes.length * 8, 0];
  call("make a Landlock ruleset", "landlock_create_ruleset", args, { store: ruleset });
  return ruleset;
}

function addRule({ call }: Start, { root, rule, descriptor }: Grant, ruleset: Address): void {
  call(grantText(root), "landlock_add_rule", [ruleset, LANDLOCK_RULE_PATH_BENEATH, rule, 0], {
    indirect: [0],
    ...(root.isStrict ? {} : { tolerate: EBADF }),
  });
  // Else there would be as many open files as rules.
  call("close", "close", [descriptor], { indirect: [0], tolerate: "any" });
}
