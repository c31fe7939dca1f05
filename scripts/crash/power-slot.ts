import { mkdirSync, readFileSync, rmSync } from "node:fs";

import { endProcessesNowAt } from "./end-processes.ts";
import { endTracer, type Tracer } from "./injector.ts";
import { canHaveOwnNamespaces } from "./own-namespaces.ts";
import { type Slot } from "./slot.ts";

/** A file system that the power can be cut under. */
export type PowerSlot = Slot & {
  mount: string;
  /** Writes everything that is there to the disk: what comes before an experiment is not what is tried. */
  settle: () => void;
  /** The cut as the file system sees it: what was not flushed is gone, and the journal is replayed. */
  powerOn: (tracers: readonly Tracer[]) => void;
  /** Cuts the power now, between two programs. */
  cut: (injector: string) => void;
  dispose: () => void;
};

export type FileSystem = "ext4" | "xfs" | "btrfs";

/**
 * How each is made and mounted. The options keep the kernel from flushing by itself what a program has not: ext4 writes a
 * file out when it is renamed over another (auto_da_alloc), and its journal every five seconds. Copies of one image are mounted
 * side by side, which xfs has to be told (nouuid).
 */
const kinds: Record<FileSystem, { sizeMib: number; make: string[]; options: string }> = {
  ext4: { sizeMib: 96, make: ["mkfs.ext4", "-q", "-F"], options: "loop,commit=900,noauto_da_alloc" },
  xfs: { sizeMib: 320, make: ["mkfs.xfs", "-q", "-f"], options: "loop,nouuid" },
  btrfs: { sizeMib: 128, make: ["mkfs.btrfs", "-q", "-f", "-m", "single"], options: "loop,commit=900" },
};

/** Why power cuts cannot be tried here, or undefined. */
export function powerProblem(kind: FileSystem): string | undefined {
  if (process.getuid?.() !== 0) return "mounting a file system needs root";
  const [make = ""] = kinds[kind].make;
  if (Bun.which(make) === null) return `there is no ${make}`;
  if (!canHaveOwnNamespaces()) return "there are no namespaces";
  return Bun.spawnSync(["losetup", "--find"]).exitCode === 0 ? undefined : "there are no loop devices";
}

/** Why the power of a file system cannot be cut here although it can be mounted, or undefined: not every kind knows how. */
export function cutProblem(kind: FileSystem, injector: string, directory: string): string | undefined {
  const slot = createPowerSlot(kind, directory);
  try {
    slot.cut(injector);
    return undefined;
  } catch {
    return `${kind} of this kernel does not know FS_IOC_SHUTDOWN`;
  } finally {
    slot.dispose();
  }
}

/** Makes a file system in a file and mounts it. Only in a mount namespace of our own: see `inOwnNamespaces`. */
export function createPowerSlot(kind: FileSystem, directory: string): PowerSlot {
  const image = `${directory}/${kind}.img`;
  const mount = `${directory}/${kind}`;
  const home = `${mount}/home`;
  mkdirSync(mount, { recursive: true });
  makeImage(kind, image);
  attach(kind, image, mount);
  return {
    directory,
    home,
    mount,
    settle: () => must(["sync", "-f", mount]),
    powerOn(tracers) {
      for (const tracer of tracers) endTracer(tracer);
      endProcessesNowAt(mount);
      detach(mount);
      awaitRelease(image);
      attach(kind, image, mount);
    },
    cut(injector) {
      const command = ["touch", `${mount}/cut`];
      must(
        [injector, "--root", mount, "--mode", "cut-power", "--mount", mount, "--at", "1", "--", ...command],
        137,
      );
    },
    dispose() {
      endProcessesNowAt(mount);
      detach(mount);
      rmSync(image, { force: true });
    },
  };
}

/** Makes a file with an empty file system in it. */
export function makeImage(kind: FileSystem, image: string): void {
  const { sizeMib, make } = kinds[kind];
  must(["truncate", "-s", `${sizeMib}M`, image]);
  must([...make, image]);
}

export function attach(kind: FileSystem, image: string, mount: string): void {
  must(["mount", "-t", kind, "-o", kinds[kind].options, image, mount]);
}

/** Lets go of everything that is mounted below a directory, for a test that is cut short, and of the loop devices. */
export function unmountBelow(directory: string): void {
  const places = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((place) => place.startsWith(`${directory}/`));
  if (places.length === 0) return;
  for (const place of places.toReversed()) Bun.spawnSync(["umount", "--lazy", place]);
  const list = ["losetup", "--list", "--noheadings", "--output", "BACK-FILE"];
  awaitRelease(directory, () => Bun.spawnSync(list).stdout.includes(`${directory}/`));
}

/** What has been killed may take a moment to let go. */
export function detach(mount: string): void {
  for (let tries = 0; tries < 200; tries++) {
    if (Bun.spawnSync(["umount", mount]).exitCode === 0) return;
    Bun.sleepSync(10);
  }
  must(["umount", mount]);
}

/** A confined process has a copy of the mount, which goes with it: until then the file system is the one that was cut. */
function awaitRelease(
  image: string,
  isHeld = () => Bun.spawnSync(["losetup", "--associated", image]).stdout.length > 0,
): void {
  for (let tries = 0; tries < 200; tries++) {
    if (!isHeld()) return;
    Bun.sleepSync(10);
  }
  throw new Error(`something holds on to ${image}`);
}

export function must(argv: string[], expected = 0): void {
  const { exitCode, signalCode, stderr } = Bun.spawnSync(argv);
  if (exitCode !== expected)
    throw new Error(`${argv.join(" ")}: ${exitCode ?? signalCode} ${stderr.toString()}`);
}
