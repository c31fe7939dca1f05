import { AuroraError } from "../../errors.ts";
import { type Context, type Input } from "../command.ts";
import { openPackVfs } from "../shared/pack-vfs.ts";

/** Larger files are not put into a JSON document. */
export const MAX_JSON_BYTES = 16 * 1024 ** 2;

type Result = { path: string; size_bytes: number; encoding: "utf8" | "base64"; content: string };

/** Writes the bytes as they are; with `--json` as text, or in base64 where they are no UTF-8. */
export async function run(
  context: Context,
  { args: [packId = "", path = ""] }: Input,
): Promise<Result | undefined> {
  using vfs = await openPackVfs(context, packId, "read");
  if (!context.json) {
    for await (const chunk of vfs.chunks(path)) context.stdout.write(chunk);
    return undefined;
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of vfs.chunks(path)) {
    size += chunk.length;
    if (size > MAX_JSON_BYTES)
      throw new AuroraError(
        "too-large",
        `cannot print "${path}" as JSON: it has more than ${MAX_JSON_BYTES} bytes`,
        { hint: "leave out --json" },
      );
    chunks.push(Buffer.from(chunk));
  }
  const content = Buffer.concat(chunks);
  const text = content.toString("utf8");
  const isText = Buffer.from(text).equals(content);
  return {
    path,
    size_bytes: size,
    encoding: isText ? "utf8" : "base64",
    content: isText ? text : content.toString("base64"),
  };
}
