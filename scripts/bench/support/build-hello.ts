import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** The least that a compiled program can be: it writes a line, past console.log, which would cost it more. */
export async function buildHello(directory: string): Promise<string> {
  const source = join(directory, "hello.ts");
  const outfile = join(directory, "hello");
  writeFileSync(source, 'import { writeSync } from "node:fs";\nwriteSync(1, "hello\\n");\n');
  const built = await Bun.build({
    entrypoints: [source],
    target: "bun",
    format: "esm",
    bytecode: true,
    minify: true,
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
  });
  if (!built.success) throw new AggregateError(built.logs, "the build of hello-world failed");
  return outfile;
}
