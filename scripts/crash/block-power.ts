import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

import {
  type BlockState,
  blockStates,
  type BlockTrace,
  type BlockWrite,
  readBlockTrace,
} from "./block-states.ts";
import { endProcessesAt } from "./end-processes.ts";
import { type Finding, inject, interrupt, restore, type Subject, type Tools } from "./experiment.ts";
import { endTracer } from "./injector.ts";
import { faultsOfState } from "./power-model.ts";
import { attach, detach, type FileSystem, makeImage, must, powerProblem } from "./power-slot.ts";
import { type Slot } from "./slot.ts";

/** How long the recorder may take to come up, in steps of 10 ms. */
const MAX_WAITS = 500;

/** Why a disk cannot be recorded here, or undefined. */
export function blocksProblem(kind: FileSystem, directory: string): string | undefined {
  if (!existsSync("/dev/fuse")) return "there is no /dev/fuse";
  const problem = powerProblem(kind);
  if (problem !== undefined) return problem;
  const recorder = buildRecorder(directory);
  if ("reason" in recorder) return recorder.reason;
  try {
    makeImage(kind, `${directory}/trial.img`);
    recordDisk(recorder.path, kind, directory, `${directory}/trial.img`).dispose();
    return undefined;
  } catch (thrown) {
    return (thrown as Error).message;
  } finally {
    rmSync(`${directory}/trial.img`, { force: true });
  }
}

function buildRecorder(directory: string): { path: string } | { reason: string } {
  const compiler = Bun.which("cc") ?? Bun.which("gcc") ?? Bun.which("clang");
  if (compiler === null) return { reason: "there is no C compiler (cc)" };
  mkdirSync(directory, { recursive: true });
  const path = `${directory}/block-log`;
  if (existsSync(path)) return { path };
  const built = Bun.spawnSync([compiler, "-O2", "-Wall", "-o", path, join(import.meta.dir, "block-log.c")]);
  return built.exitCode === 0
    ? { path }
    : { reason: `the recorder cannot be compiled: ${built.stderr.toString().trim()}` };
}

/** A file system on a disk of which every write and flush is recorded. */
type RecordedDisk = { mount: string; length: () => number; record: () => Buffer; dispose: () => void };

function recordDisk(recorder: string, kind: FileSystem, directory: string, image: string): RecordedDisk {
  const [fuse, mount, log] = [`${directory}/fuse`, `${directory}/recorded`, `${directory}/record`];
  for (const place of [fuse, mount]) mkdirSync(place, { recursive: true });
  const child = Bun.spawn([recorder, image, log, fuse], { stdio: ["ignore", "ignore", "inherit"] });
  for (let waits = 0; !existsSync(`${fuse}/disk`); waits++) {
    if (child.exitCode !== null || waits > MAX_WAITS) throw new Error("FUSE cannot be mounted here");
    Bun.sleepSync(10);
  }
  const end = () => {
    detach(fuse);
    child.kill();
  };
  try {
    attach(kind, `${fuse}/disk`, mount);
  } catch (thrown) {
    end();
    throw thrown;
  }
  return {
    mount,
    length: () => statSync(log).size,
    record: () => readFileSync(log),
    dispose() {
      detach(mount);
      end();
      rmSync(log, { force: true });
    },
  };
}

export type BlockResult = { calls: number; checked: number; findings: Finding[] };

/**
 * Records what one run of an operation makes the disk of a real file system do, makes the disks that a power cut may leave,
 * mounts each, and looks whether the next command ends in the old or the new state. What the model knows only by the rules, and
 * a file system that is cut off shows for one order only, the file system itself does here.
 *
 * @param lies flushes do nothing: this has to break
 * @param pick chooses the states that are tried
 */
export async function tryBlockStates(
  tools: Tools,
  subject: Subject,
  { mode, fileSystem, lies }: { mode: string; fileSystem: FileSystem; lies: boolean },
  slots: readonly Slot[],
  pick: <T>(states: readonly T[]) => T[],
  onFinding: (finding: Finding) => void,
): Promise<BlockResult> {
  const [first] = slots as [Slot, ...Slot[]];
  const image = `${first.directory}/${fileSystem}-blocks.img`;
  makeImage(fileSystem, image);
  const { trace, calls } = await recordOperation(tools, subject, first, fileSystem, image, lies);
  const queue = pick(blockStates(trace, seeded()));
  const checked = queue.length;
  const findings: Finding[] = [];
  await Promise.all(
    slots.map(async (slot) => {
      const disk = replayedDisk(fileSystem, slot, image, trace);
      try {
        for (let state = queue.shift(); state !== undefined; state = queue.shift()) {
          const faults = await disk.faultsOf(tools, subject, state);
          if (faults.length === 0) continue;
          const finding = { operation: subject.operation.name, mode, at: 0, call: state.label, faults };
          findings.push(finding);
          onFinding(finding);
        }
      } finally {
        disk.dispose();
      }
    }),
  );
  rmSync(image, { force: true });
  return { calls, checked, findings };
}

async function recordOperation(
  tools: Tools,
  subject: Subject,
  { directory }: Slot,
  fileSystem: FileSystem,
  image: string,
  lies: boolean,
): Promise<{ trace: BlockTrace; calls: number }> {
  const recorder = buildRecorder(directory);
  if ("reason" in recorder) throw new Error(recorder.reason);
  const disk = recordDisk(recorder.path, fileSystem, directory, image);
  const slot: Slot = { directory, home: `${disk.mount}/home` };
  try {
    await restore(tools, subject, slot);
    const tracers = [await interrupt(tools, subject, slot)];
    must(["sync", "-f", disk.mount]);
    const begin = disk.length();
    const run = await inject(tools, subject.operation.argv, slot, { mode: "count", lies });
    const trace = readBlockTrace(disk.record(), begin, disk.length());
    tracers.push(run.tracer);
    for (const tracer of tracers) endTracer(tracer);
    await endProcessesAt(disk.mount);
    return { trace, calls: run.points.length };
  } finally {
    disk.dispose();
  }
}

/** A disk image that goes through the epochs of a trace; states must come in that order. */
function replayedDisk(fileSystem: FileSystem, { directory }: Slot, image: string, trace: BlockTrace) {
  const [flushed, cut] = [`${directory}/flushed.img`, `${directory}/cut.img`];
  const mount = `${directory}/replayed`;
  mkdirSync(mount, { recursive: true });
  copyImage(image, flushed);
  applyWrites(flushed, trace.before);
  let epoch = 0;
  return {
    async faultsOf(tools: Tools, subject: Subject, state: BlockState): Promise<string[]> {
      while (epoch < state.epoch) applyWrites(flushed, trace.epochs[epoch++] ?? []);
      copyImage(flushed, cut);
      const writes = state.writes.map((index) => trace.epochs[state.epoch]?.[index] as BlockWrite);
      applyWrites(cut, state.isTorn ? torn(writes, atomicBytes[fileSystem]) : writes);
      try {
        attach(fileSystem, cut, mount);
      } catch (thrown) {
        return [`it cannot be mounted: ${(thrown as Error).message}`];
      }
      const slot = { directory, home: `${mount}/home` };
      try {
        return await faultsOfState(tools, subject, slot, state.isAfterEnd);
      } finally {
        await endProcessesAt(mount);
        detach(mount);
      }
    },
    dispose() {
      for (const path of [flushed, cut]) rmSync(path, { force: true });
    },
  };
}

/** What a file system takes for granted that a disk writes whole: btrfs a superblock, the others a sector. */
const atomicBytes: Record<FileSystem, number> = { ext4: 512, xfs: 512, btrfs: 4096 };

function torn(writes: readonly BlockWrite[], atomic: number): BlockWrite[] {
  return writes.map((write, index) => {
    if (index < writes.length - 1) return write;
    const length = Math.floor(write.length / 2 / atomic) * atomic;
    return { ...write, length, data: write.data?.subarray(0, length) };
  });
}

function applyWrites(path: string, writes: readonly BlockWrite[]): void {
  const descriptor = openSync(path, "r+");
  for (const { offset, length, data } of writes)
    writeSync(descriptor, data ?? Buffer.alloc(length), 0, length, offset);
  closeSync(descriptor);
}

function copyImage(from: string, to: string): void {
  must(["cp", "--sparse=always", from, to]);
}

/** The same parts in every run (a linear congruential generator). */
function seeded(): () => number {
  let state = 42;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return state / 0x7fff_ffff;
  };
}
