import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

import { AuroraError } from "../errors.ts";
import { shellWord } from "../system/shell-word.ts";
import { type Context, type Input, type Paint } from "./command.ts";
import { newPackFiles } from "./shared/new-pack-files.ts";
import { PACK_ID } from "./shared/sources.ts";

type Result = { pack_id: string; path: string; files: string[]; next: string };

export function run(context: Context, { args, options }: Input<never, "dir">): Result {
  const packId = args[0] as string;
  if (!PACK_ID.test(packId)) throw badId(packId);
  const parent = resolve(context.cwd, options.dir ?? ".");
  const path = join(parent, packId);
  mkdirSync(parent, { recursive: true });
  try {
    mkdirSync(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw thrown;
    throw new AuroraError("exists", `cannot write the pack "${packId}": "${path}" exists already`, {
      hint: "choose another name, or another place with --dir",
    });
  }
  const files = newPackFiles(packId);
  try {
    for (const { name, content, mode } of files) {
      writeFileSync(join(path, name), content);
      // The mode of a new file is cut by the umask, and a script that nobody may run is none.
      if (mode === 0o755) chmodSync(join(path, name), mode);
    }
  } catch (thrown) {
    rmSync(path, { recursive: true, force: true });
    throw thrown;
  }
  return {
    pack_id: packId,
    path,
    files: files.map(({ name }) => name),
    next: `aurora check ${sourceOf(context, path)}`,
  };
}

export function render({ path, files, next }: Result, paint: Paint): string {
  return [`${paint.bold(path)}`, ...files.map((name) => `  ${name}`), `${paint.cyan("next")}: ${next}`].join(
    "\n",
  );
}

function badId(name: string): AuroraError {
  const message = `cannot write the pack "${name}": a pack's id is 1 to 64 of a-z, 0-9, _ and -, and begins with a letter or a digit`;
  if (name.includes("/"))
    return new AuroraError("usage", message, { hint: "name the directory around it with --dir" });
  const proposal = name
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, "_")
    .replace(/^[_-]+/, "")
    .replace(/_+$/, "")
    .slice(0, 64);
  return new AuroraError("usage", message, { hint: proposal === "" ? undefined : `aurora init ${proposal}` });
}

/** How to name the pack's directory from here, so that it is taken for a path. */
function sourceOf({ cwd }: Context, path: string): string {
  const below = relative(cwd, path);
  return shellWord(below.startsWith("..") ? path : `./${below}`);
}
