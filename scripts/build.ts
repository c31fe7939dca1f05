/**
 * Compiles src/main.ts into one executable.
 *
 *   bun scripts/build.ts [--target linux-x64] [--outfile dist/aurora] [--all]
 *
 * Options and why: docs/decisions.md, "The build".
 */
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";

const targets = [
  "linux-x64",
  "linux-arm64",
  "linux-x64-musl",
  "linux-arm64-musl",
  "darwin-x64",
  "darwin-arm64",
] as const;

/**
 * The yaml package offers its ES modules to browsers alone. What it gives to Bun is CommonJS, of which nothing can be left out, and
 * each of its 50 files is a call at start-up.
 */
const yamlAsModules: Bun.BunPlugin = {
  name: "yaml as ES modules",
  setup({ onResolve }) {
    const path = join(
      dirname(Bun.resolveSync("yaml/package.json", import.meta.dir)),
      "browser/dist/index.js",
    );
    onResolve({ filter: /^yaml$/ }, () => ({ path }));
  },
};

const { values } = parseArgs({
  options: {
    target: { type: "string" },
    outfile: { type: "string" },
    all: { type: "boolean", default: false },
  },
});
const { version } = (await Bun.file("package.json").json()) as { version: string };
const commit = Bun.spawnSync(["git", "rev-parse", "--short=12", "HEAD"], { stderr: "ignore" })
  .stdout.toString()
  .trim();

const wanted = values.all ? targets : [values.target];
for (const target of wanted) {
  if (target !== undefined && !targets.some((known) => known === target)) {
    console.error(`unknown target "${target}"; known: ${targets.join(", ")}`);
    process.exit(2);
  }
  const outfile = values.outfile ?? (target === undefined ? "dist/aurora" : `dist/aurora-${target}`);
  await build(target, outfile);
  console.log(`${outfile}  ${(Bun.file(outfile).size / 1024 ** 2).toFixed(1)} MiB`);
}

async function build(target: string | undefined, outfile: string): Promise<void> {
  const built = await Bun.build({
    // A worker is an entry point of its own.
    entrypoints: ["src/main.ts", "src/store/copy-worker.ts"],
    plugins: [yamlAsModules],
    target: "bun",
    format: "esm",
    splitting: true,
    bytecode: true,
    minify: true,
    sourcemap: "none",
    define: {
      AURORA_VERSION: JSON.stringify(version),
      AURORA_COMMIT: JSON.stringify(commit === "" ? "unknown" : commit),
      AURORA_TARGET: JSON.stringify(target ?? `${process.platform}-${process.arch}`),
    },
    compile: {
      ...(target === undefined ? {} : { target: `bun-${target}` as Bun.Build.CompileTarget }),
      outfile,
      // Most of what a command runs it runs once: system/jit-policy.ts.
      jitPolicy: 16,
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
      execArgv: ["--disallow-code-generation-from-strings=strict"],
    },
  });
  if (!built.success) throw new AggregateError(built.logs, "build failed");
}
