import { closeSync, fstatSync } from "node:fs";

import { chmodSync, createSync, fchmodSync, mkdirSync, symlinkSync } from "../system/changes.ts";
import { startWriteback, writeFully } from "../system/durable.ts";
import { compileEarly } from "../system/jit-policy.ts";
import { type CopyMemory, CopyRing, operation, type SlotHead } from "./copy-ring.ts";

/*
 * Runs as a worker: writes what the reader of a big pack hands over, in its order, and hashes each file that is more than one
 * step. The reader computes the digest of the whole meanwhile, and that of each small file: creating those takes this thread
 * longer than reading them takes the other.
 */

/** A file this large is on its way to the disk before its end, in bytes. */
const WRITEBACK_BYTES = 8 * 1024 ** 2;

declare const self: Worker;

self.addEventListener("message", ({ data }: MessageEvent<CopyMemory & { directory: string }>) => {
  compileEarly();
  const ring = new CopyRing(data);
  ring.start();
  try {
    copyAll(ring, data.directory);
  } finally {
    ring.finish();
  }
});

function copyAll(ring: CopyRing, directory: string): void {
  const copier = createCopier(ring, directory);
  let hasFailed = false;
  try {
    for (;;) {
      const isOver = ring.take((head, content) => {
        if (head.kind === operation.end) return true;
        if (hasFailed) return false;
        try {
          copier.copy(head, content);
        } catch (thrown) {
          hasFailed = true;
          ring.fail(thrown as NodeJS.ErrnoException);
        }
        return false;
      });
      if (isOver !== false) return;
    }
  } finally {
    copier.close();
  }
}

function createCopier(ring: CopyRing, directory: string) {
  let file = 0;
  let open:
    { descriptor: number; mode: number; hasher: Bun.CryptoHasher | undefined; dirty: number } | undefined;
  const place = (path: string) => (path === "" ? directory : `${directory}/${path}`);

  const content = ({ path, mode, isFirst, isLast }: SlotHead, bytes: Uint8Array) => {
    if (isFirst)
      open = {
        descriptor: createSync(place(path), mode),
        mode,
        hasher: isLast ? undefined : new Bun.CryptoHasher("sha256"),
        dirty: 0,
      };
    if (!open) return;
    const { descriptor, hasher } = open;
    hasher?.update(bytes);
    writeFully(descriptor, bytes);
    open.dirty += bytes.length;
    if (open.dirty >= WRITEBACK_BYTES) {
      startWriteback(descriptor);
      open.dirty = 0;
    }
    if (!isLast) return;
    const { mode: given, mtimeNs, ino } = fstatSync(descriptor, { bigint: true });
    // The mode that was asked for is cut by the umask and by default ACLs.
    if ((given & 0o7777n) !== BigInt(open.mode)) fchmodSync(descriptor, open.mode);
    ring.setResult(file++, hasher?.digest(), mtimeNs, ino);
    close();
  };

  const close = () => {
    if (open) closeSync(open.descriptor);
    open = undefined;
  };

  return {
    close,
    copy(head: SlotHead, bytes: Uint8Array): void {
      if (head.kind === operation.makeDirectory) mkdirSync(place(head.path), 0o700);
      else if (head.kind === operation.closeDirectory) chmodSync(place(head.path), head.mode);
      else if (head.kind === operation.symlink)
        symlinkSync(Buffer.from(bytes).toString("utf8"), place(head.path));
      else content(head, bytes);
    },
  };
}
