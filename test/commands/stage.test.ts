import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  watch,
  writeFileSync,
} from "node:fs";

import { tarDigest } from "../store/fixture.ts";
import { asOrdinaryUser, aurora, auroraCommand, canBeOrdinaryUser, scratch } from "../support/aurora.ts";

const MANIFEST = `schema_version: "aurora-manifest-v1"
pack:
  id: "demo"
  name: "Demo"
  version: "1.2.3"
  entrypoint:
    install: "install.sh"
`;

/** A small pack in `<directory>/packs/demo`, and a home that does not exist yet. */
function createPack(directory: string, manifest = MANIFEST): { pack: string; home: string } {
  const pack = `${directory}/packs/demo`;
  mkdirSync(pack, { recursive: true });
  writeFileSync(`${pack}/manifest.yaml`, manifest);
  writeFileSync(`${pack}/install.sh`, "#!/bin/sh\n");
  chmodSync(`${pack}/install.sh`, 0o755);
  return { pack, home: `${directory}/home` };
}

const namesIn = (directory: string) => readdirSync(directory).toSorted();

test("stages a pack, says its digest, and creates the home closed to others", async () => {
  using directory = scratch();
  const { pack, home } = createPack(directory.path);
  const digest = tarDigest(pack) as string;
  expect(await aurora(["stage", pack], { home })).toEqual({
    stdout: `demo 1.2.3 is staged (2 files, ${statSync(`${pack}/manifest.yaml`).size + 10} B)\n${digest}\n`,
    stderr: "",
    exitCode: 0,
  });
  expect(statSync(home).mode & 0o777).toBe(0o700);
  expect(tarDigest(`${home}/store/${digest.slice(7)}`, "./logs", "./data")).toBe(digest);
  expect(namesIn(`${home}/tmp`)).toEqual([]);
});

test("--json, and a second time the tree is reused", async () => {
  using directory = scratch();
  const { pack, home } = createPack(directory.path);
  const expected = {
    pack_id: "demo",
    version: "1.2.3",
    digest: tarDigest(pack),
    files: 2,
    bytes: statSync(`${pack}/manifest.yaml`).size + 10,
  };
  for (const reused of [false, true])
    expect(await aurora(["stage", "--json", pack], { home })).toEqual({
      stdout: `${JSON.stringify({ ...expected, reused })}\n`,
      stderr: "",
      exitCode: 0,
    });
});

test("takes an id from AURORA_PACKS, from ./packs and from the home's packs", async () => {
  using directory = scratch();
  const { home } = createPack(directory.path);
  mkdirSync(`${directory.path}/elsewhere`);
  const runs = await Promise.all([
    aurora(["stage", "demo"], { home, cwd: directory.path }),
    aurora(["stage", "demo"], {
      home: `${home}2`,
      cwd: `${directory.path}/elsewhere`,
      env: { AURORA_PACKS: `${directory.path}/packs` },
    }),
    aurora(["stage", "demo"], { home: directory.path, cwd: `${directory.path}/elsewhere` }),
  ]);
  for (const { stdout, exitCode } of runs) {
    expect(stdout).toStartWith("demo 1.2.3 is staged");
    expect(exitCode).toBe(0);
  }
});

test("names all that may not be in a pack, and leaves nothing", async () => {
  using directory = scratch();
  const { pack, home } = createPack(directory.path);
  symlinkSync("/etc/passwd", `${pack}/secret`);
  Bun.spawnSync(["mkfifo", `${pack}/pipe`]);
  expect(await aurora(["stage", pack], { home })).toEqual({
    stdout: "",
    stderr: [
      `error[pack-invalid]: cannot read the pack "${pack}": it holds 2 entries that a pack may not hold`,
      '  "pipe" is a fifo',
      "  hint: remove it, or name it in .auroraignore",
      '  "secret" is an absolute symlink: "/etc/passwd"',
      "  hint: point it at a file of the pack, by a relative path",
      "",
    ].join("\n"),
    exitCode: 7,
  });
  expect([...namesIn(`${home}/store`), ...namesIn(`${home}/tmp`)]).toEqual([]);
});

test("refuses artifacts that are not as recorded, and leaves nothing", async () => {
  using directory = scratch();
  const wrong = `  artifacts:\n    - { path: install.sh, sha256: "${"0".repeat(64)}" }\n`;
  const { pack, home } = createPack(directory.path, MANIFEST + wrong);
  const { stdout, stderr, exitCode } = await aurora(["stage", pack], { home });
  expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 7 });
  expect(stderr).toStartWith(
    `error[checksum-mismatch]: cannot use the pack "${pack}": it is not as its manifest says\n  the file "install.sh" does not have this checksum\n  --> ${pack}/manifest.yaml:9:`,
  );
  expect(stderr).toContain(`hint: aurora seal ${pack}`);
  expect(namesIn(`${home}/store`)).toEqual([]);
});

test("warns about artifacts that are not sealed", async () => {
  using directory = scratch();
  const { pack, home } = createPack(
    directory.path,
    `${MANIFEST}  artifacts:\n    - { path: install.sh, sha256: "" }\n`,
  );
  const { stdout, stderr, exitCode } = await aurora(["stage", pack], { home });
  expect({ stderr, exitCode }).toEqual({
    stderr: 'warning: demo: the artifact "install.sh" is not sealed\n',
    exitCode: 0,
  });
  expect(stdout).toStartWith("demo 1.2.3 is staged");
});

test("what .auroraignore names stays out, even where it may not be in a pack", async () => {
  using directory = scratch();
  const { pack, home } = createPack(directory.path);
  writeFileSync(`${pack}/.auroraignore`, "*.tmp\n");
  symlinkSync("/", `${pack}/a.tmp`);
  const { stdout, exitCode } = await aurora(["stage", "--json", pack], { home });
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ digest: tarDigest(pack, "*.tmp"), files: 3 });
});

test("a directory without a manifest is not copied first", async () => {
  using directory = scratch();
  const { home } = createPack(directory.path);
  const { stderr, exitCode } = await aurora(["stage", `${directory.path}/packs`], { home });
  expect(stderr).toStartWith(
    `error[manifest-missing]: cannot find a manifest in "${directory.path}/packs"\n`,
  );
  expect(exitCode).toBe(7);
});

test("draws no progress where stderr is no terminal", async () => {
  using directory = scratch();
  const { pack, home } = createPack(directory.path);
  writeFileSync(`${pack}/large`, "");
  truncateSync(`${pack}/large`, 20 * 1024 ** 2);
  expect(await aurora(["stage", pack], { home })).toMatchObject({ stderr: "", exitCode: 0 });
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s in the middle leaves nothing behind", async (signal, code) => {
  using directory = scratch();
  const { pack, home } = createPack(directory.path);
  expect((await aurora(["stage", pack], { home })).exitCode).toBe(0);
  const before = namesIn(`${home}/store`);
  // Sparse: a second of reading, and no space on the disk of the source.
  writeFileSync(`${pack}/large`, "");
  truncateSync(`${pack}/large`, 1024 ** 3);
  const begun = Promise.withResolvers<void>();
  const watcher = watch(`${home}/tmp`, () => begun.resolve());
  const child = Bun.spawn([...auroraCommand, "stage", pack, "--home", home], {
    env: { PATH: Bun.env["PATH"] ?? "" },
    stdout: "pipe",
    stderr: "pipe",
  });
  await Promise.race([begun.promise, child.exited]);
  watcher.close();
  child.kill(signal);
  expect(await child.stderr.text()).toBe(
    "error[interrupted]: the command was interrupted: nothing was changed\n",
  );
  expect(await child.stdout.text()).toBe("");
  expect(await child.exited).toBe(code);
  expect(namesIn(`${home}/tmp`)).toEqual([]);
  expect(namesIn(`${home}/store`)).toEqual(before);
});

test("a home that cannot be created", async () => {
  using directory = scratch();
  const { pack } = createPack(directory.path);
  writeFileSync(`${directory.path}/file`, "");
  expect(await aurora(["stage", pack], { home: `${directory.path}/file/home` })).toEqual({
    stdout: "",
    stderr: `error[home-unusable]: cannot use the home "${directory.path}/file/home": not a directory\nhint: give --home DIR or set AURORA_HOME to a directory that you can write\n`,
    exitCode: 1,
  });
});

test("works for an ordinary user, who can clean up after it", async () => {
  using directory = scratch();
  const { pack, home } = createPack(directory.path);
  mkdirSync(`${pack}/deep/er`, { recursive: true });
  writeFileSync(`${pack}/deep/er/f`, "");
  chmodSync(directory.path, 0o777);
  // From the sources the program lies where another user may not look; then this very user has to do.
  const asUser = canBeOrdinaryUser ? asOrdinaryUser : [];
  const run = () =>
    Bun.spawnSync([...asUser, ...auroraCommand, "stage", "--json", pack, "--home", home], {
      env: { PATH: Bun.env["PATH"] ?? "" },
    });
  const first = run();
  expect(first.stderr.toString()).toBe("");
  const { digest } = JSON.parse(first.stdout.toString()) as { digest: string };
  // Damaged, it is replaced, which needs to rename read-only directories.
  const file = `${home}/store/${digest.slice(7)}/deep/er/f`;
  chmodSync(file, 0o644);
  writeFileSync(file, "damaged");
  expect(JSON.parse(run().stdout.toString())).toMatchObject({ digest, reused: false });
  expect(readFileSync(file, "utf8")).toBe("");
  expect(namesIn(`${home}/tmp`)).toEqual([]);
});

test("needs a source", async () => {
  using directory = scratch();
  expect(await aurora(["stage"], { home: directory.path })).toEqual({
    stdout: "",
    stderr: 'error[usage]: "stage" needs <SRC>\nhint: aurora help stage shows how it is called\n',
    exitCode: 2,
  });
});

describe("a pack that is worth a second thread", () => {
  /** More files than one thread is left with; empty ones, programs, a link, and one that takes many steps. */
  function createBigPack(directory: string) {
    const { pack, home } = createPack(directory);
    for (let file = 0; file < 1200; file++) {
      if (file % 100 === 0) mkdirSync(`${pack}/d${file / 100}/deep`, { recursive: true });
      writeFileSync(`${pack}/d${Math.floor(file / 100)}/deep/f${file}`, "x".repeat(file % 7));
    }
    chmodSync(`${pack}/d3/deep/f300`, 0o755);
    symlinkSync("../d3/deep/f300", `${pack}/d4/link`);
    writeFileSync(`${pack}/large`, Buffer.alloc(3_000_001, "large"));
    return { pack, home };
  }

  test("has the digest that tar gives it, every byte, and modes as always", async () => {
    using directory = scratch();
    const { pack, home } = createBigPack(directory.path);
    const { stdout, stderr, exitCode } = await aurora(["stage", "--json", pack], { home });
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    const digest = tarDigest(pack) ?? "";
    expect(JSON.parse(stdout)).toMatchObject({ digest, files: 1203, reused: false });
    const tree = `${home}/store/${digest.slice("sha256:".length)}`;
    expect(
      Bun.spawnSync(["diff", "-r", "--exclude=data", "--exclude=logs", pack, tree]).stdout.toString(),
    ).toBe("");
    expect(statSync(`${tree}/d3/deep/f300`).mode & 0o777).toBe(0o555);
    expect(statSync(`${tree}/d3/deep/f301`).mode & 0o777).toBe(0o444);
    expect(await aurora(["verify"], { home })).toMatchObject({ exitCode: 0 });
    expect(namesIn(`${home}/tmp`)).toEqual([]);
    // The sums of the files, which the second thread has made, are what verify goes by.
    chmodSync(`${tree}/d3/deep/f301`, 0o644);
    writeFileSync(`${tree}/d3/deep/f301`, "x".repeat(301 % 7).replace(/.$/, "y"));
    expect(await aurora(["verify"], { home })).toMatchObject({
      stdout: expect.stringContaining("d3/deep/f301"),
      exitCode: 7,
    });
  });

  test.skipIf(process.getuid?.() !== 0 || process.platform !== "linux")(
    "a disk that gets full: a message, and nothing is left (needs root)",
    () => {
      using directory = scratch();
      const { pack } = createBigPack(directory.path);
      const script =
        'mkdir "$0/small" && mount -t tmpfs -o size=2m none "$0/small" && "$@"; code=$?; ls -A "$0/small/home/tmp" "$0/small/home/store"; exit $code';
      const asRoot = ["unshare", "--mount", "sh", "-c", script, directory.path];
      const argv = [...asRoot, ...auroraCommand, "stage", pack, "--home", `${directory.path}/small/home`];
      const { stdout, stderr, exitCode } = Bun.spawnSync(argv);
      expect({ stdout: stdout.toString().replaceAll(directory.path, "DIR"), exitCode }).toEqual({
        stdout: "DIR/small/home/store:\n\nDIR/small/home/tmp:\n",
        exitCode: 1,
      });
      expect(stderr.toString()).toMatch(
        /^error\[no-space\]: cannot .*: no space left on the device\nhint: free some space and run the command again\n$/,
      );
    },
  );
});
