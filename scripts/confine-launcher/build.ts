/**
 * Compiles vm.c for each architecture and writes src/process/confinement/launcher-image.ts, which is committed: Aurora is
 * built without a C compiler. test/process/confinement/launcher-image.test.ts checks that the two agree.
 *
 *   bun scripts/confine-launcher/build.ts      needs gcc, and aarch64-linux-gnu-gcc for arm64
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The cross compiler's name; on a machine of that architecture plain `gcc` does. */
export const compilers = { x64: "x86_64-linux-gnu-gcc", arm64: "aarch64-linux-gnu-gcc" } as const;
export type LauncherArch = keyof typeof compilers;

const flags = [
  ..."-Os -std=c11 -Wall -Wextra -Werror -ffreestanding -nostdlib -static -fno-pic -fno-pie -no-pie".split(
    " ",
  ),
  ..."-fno-stack-protector -fno-asynchronous-unwind-tables -fno-builtin -fcf-protection=none".split(" "),
  ..."-mno-outline-atomics -mgeneral-regs-only -fno-tree-loop-distribute-patterns".split(" "),
];
const onlyOn: Record<string, LauncherArch> = {
  "-fcf-protection=none": "x64",
  "-mno-outline-atomics": "arm64",
};

/** The compiler for an architecture, or undefined where this machine has none. */
export function compilerFor(arch: LauncherArch): string | undefined {
  const names = [compilers[arch], ...(process.arch === arch ? ["gcc"] : [])];
  return names.find((name) => Bun.which(name) !== null);
}

/** The first line of `compiler --version`: another version may make other bytes of the same source. */
export function compilerVersion(compiler: string): string {
  return Bun.spawnSync([compiler, "-dumpfullversion"]).stdout.toString().trim();
}

/** The launcher's machine code. */
export function buildLauncher(arch: LauncherArch, compiler: string): Buffer {
  const directory = mkdtempSync(join(tmpdir(), "aurora-launcher-"));
  try {
    const [elf, code] = [join(directory, "launcher.elf"), join(directory, "launcher.bin")];
    const here = import.meta.dir;
    const chosen = flags.filter((flag) => (onlyOn[flag] ?? arch) === arch);
    must([
      compiler,
      ...chosen,
      `-Wl,-T,${join(here, "link.ld")},--build-id=none,-z,noexecstack`,
      "-o",
      elf,
      join(here, "vm.c"),
    ]);
    must([compiler.replace(/gcc$/, "objcopy"), "-O", "binary", elf, code]);
    return readFileSync(code);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function must(argv: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(argv, { stdout: "ignore", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${argv.join(" ")}: ${stderr.toString()}`);
}

if (import.meta.main) {
  const built = Object.keys(compilers).map((name) => {
    const arch = name as LauncherArch;
    const compiler = compilerFor(arch);
    if (compiler === undefined) throw new Error(`no compiler for ${arch}: install ${compilers[arch]}`);
    return { arch, version: compilerVersion(compiler), code: buildLauncher(arch, compiler) };
  });
  const lines = built.map(
    ({ arch, version, code }) =>
      `  ${arch}: {\n    compiler: "${version}",\n    base64:\n      "${code.toString("base64")}",\n  },\n`,
  );
  const file = join(import.meta.dir, "../../src/process/confinement/launcher-image.ts");
  writeFileSync(
    file,
    `/**
 * The launcher's machine code, made from scripts/confine-launcher/vm.c by scripts/confine-launcher/build.ts. Do not edit.
 * \`compiler\` is the version of gcc that made it.
 */
export const launcherImages: Partial<Record<string, { compiler: string; base64: string }>> = {
${lines.join("")}};
`,
  );
  for (const { arch, version, code } of built) console.log(`${arch}  ${code.length} bytes, gcc ${version}`);
}
