import { type TreeEntry } from "./tree-entry.ts";
import { BLOCK_BYTES, RECORD_BYTES, ustarHeader } from "./ustar.ts";

const zeros = new Uint8Array(RECORD_BYTES);

export type UstarHash = {
  /** Begins an entry. Its content, `size_bytes` long, follows by `content`. */
  entry: (entry: Pick<TreeEntry, "path" | "type" | "mode" | "size_bytes" | "target">) => void;
  content: (bytes: Uint8Array) => void;
  /** Ends the archive. @returns `sha256:<hex>` */
  digest: () => string;
};

/** Hashes a tar archive that never exists: entries in, digest out. */
export function createUstarHash(): UstarHash {
  const hasher = new Bun.CryptoHasher("sha256");
  let length = 0;
  const update = (bytes: Uint8Array) => {
    hasher.update(bytes);
    length += bytes.length;
  };
  const padTo = (multiple: number) => {
    const over = length % multiple;
    if (over > 0) update(zeros.subarray(0, multiple - over));
  };
  return {
    entry(entry) {
      padTo(BLOCK_BYTES);
      update(ustarHeader(entry));
    },
    content: update,
    digest() {
      padTo(BLOCK_BYTES);
      update(zeros.subarray(0, 2 * BLOCK_BYTES));
      padTo(RECORD_BYTES);
      return `sha256:${hasher.digest("hex")}`;
    },
  };
}
