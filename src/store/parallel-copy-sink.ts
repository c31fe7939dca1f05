import { CopyRing, createCopyMemory, operation } from "./copy-ring.ts";
import { type CopySink, flushTree, type UnflushedName } from "./copy-sink.ts";
import { type Survey } from "./survey-pack.ts";

/** In the compiled program a worker is named by its place among the entry points. */
const workerPath = Bun.main.startsWith("/$bunfs/")
  ? "/$bunfs/root/store/copy-worker.js"
  : new URL("./copy-worker.ts", import.meta.url).href;

/**
 * The same as `createCopySink`, with a second thread that writes and hashes the files: for packs that are worth its start.
 *
 * @param directory does not exist yet
 */
export function createParallelCopySink(directory: string, { entries, files }: Survey): CopySink {
  const memory = createCopyMemory(files);
  const ring = new CopyRing(memory);
  const worker = new Worker(workerPath);
  worker.unref();
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin, a window has
  worker.postMessage({ ...memory, directory });
  try {
    ring.waitUntilStarted();
  } catch (thrown) {
    worker.terminate();
    throw thrown;
  }
  const unflushed: UnflushedName[] = [];
  let isOpen = true;
  let file: { path: string; mode: number; isFirst: boolean } | undefined;
  /** Bytes in the claimed slot that may be the last of their file, or not. */
  let held: number | undefined;

  const push = (kind: number, path: string, mode = 0, content = Buffer.alloc(0)) => {
    ring.throwFailure();
    ring.claim().set(content);
    ring.push({ kind, mode, isFirst: false, isLast: false, path }, content.length);
  };
  const pushContent = (isLast: boolean) => {
    if (!file) return;
    ring.throwFailure();
    // Only the first slot of a file needs its name.
    const path = file.isFirst ? file.path : "";
    ring.push({ kind: operation.content, mode: file.mode, isFirst: file.isFirst, isLast, path }, held ?? 0);
    file.isFirst = false;
    held = undefined;
  };
  const end = () => {
    if (!isOpen) return;
    isOpen = false;
    ring.waitUntilFinished();
    worker.terminate();
  };

  return {
    identities: [],
    openDirectory: (path) => push(operation.makeDirectory, path),
    closeDirectory(path) {
      push(operation.closeDirectory, path, path === "" ? 0o755 : 0o555);
      if (path !== "") unflushed.push({ path, isDirectory: true });
    },
    symlink: (path, target) => push(operation.symlink, path, 0, Buffer.from(target)),
    openFile({ path, mode }) {
      file = { path, mode: mode & 0o555, isFirst: true };
    },
    claim() {
      if (held !== undefined) pushContent(false);
      return ring.claim();
    },
    write(bytes) {
      held = bytes.length;
    },
    closeFile() {
      if (!file) return;
      if (held === undefined) ring.claim();
      pushContent(true);
      unflushed.push({ path: file.path, isDirectory: false });
      file = undefined;
    },
    finish() {
      push(operation.end, "");
      end();
      ring.throwFailure();
      const results = Array.from({ length: files }, (_, index) => ring.result(index));
      for (const { mtimeNs, inode } of results)
        this.identities.push({ mtime_ns: String(mtimeNs), inode: String(inode) });
      return results.map(({ sha256 }) => sha256);
    },
    close() {
      if (isOpen) ring.abort();
      end();
    },
    flush: (files) => flushTree(directory, unflushed, files, entries),
  };
}
