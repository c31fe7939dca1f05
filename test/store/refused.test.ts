/** What a pack may not hold, and a pack that changes under the reader's hands. */
import { describe, expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";

import { AuroraError } from "../../src/errors.ts";
import { MAX_IGNORE_FILE_BYTES } from "../../src/store/ignore-rules.ts";
import { MAX_SHOWN_OFFENDERS } from "../../src/store/offenders.ts";
import { createPause } from "../../src/store/pause.ts";
import { type PackSink, readPack } from "../../src/store/read-pack.ts";
import { scanTree } from "../../src/store/scan-tree.ts";
import { surveyPack } from "../../src/store/survey-pack.ts";
import { MAX_FILE_BYTES } from "../../src/store/ustar.ts";
import { asOrdinaryUser, scratch } from "../support/aurora.ts";

async function refusal(work: Promise<unknown>): Promise<AuroraError> {
  const thrown: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof AuroraError)) throw new Error("nothing was refused", { cause: thrown });
  return thrown;
}

const cases: [name: string, make: (pack: string, outside: string) => void, messages: string[]][] = [
  ["an absolute symlink", (p) => symlinkSync("/etc", `${p}/l`), ['"l" is an absolute symlink: "/etc"']],
  [
    "an absolute symlink into the pack itself",
    (p) => symlinkSync(`${p}/a`, `${p}/l`),
    ['"l" is an absolute symlink: "PACK/a"'],
  ],
  [
    "a symlink to the parent",
    (p) => symlinkSync("..", `${p}/l`),
    ['"l" is a symlink that leads out of the pack: ".."'],
  ],
  [
    "a symlink that leaves and comes back",
    (p) => symlinkSync("../pack/a", `${p}/l`),
    ['"l" is a symlink that leads out of the pack: "../pack/a"'],
  ],
  [
    "a symlink that leaves through another",
    (p) => {
      mkdirSync(`${p}/d/e`, { recursive: true });
      symlinkSync("d/e", `${p}/in`);
      symlinkSync("in/../../..", `${p}/l`);
    },
    ['"l" is a symlink that leads out of the pack: "in/../../.."'],
  ],
  [
    "a symlink below one that leaves",
    (p) => {
      symlinkSync("..", `${p}/up`);
      symlinkSync("up/x", `${p}/l`);
    },
    [
      '"l" is a symlink that leads out of the pack: "up/x"',
      '"up" is a symlink that leads out of the pack: ".."',
    ],
  ],
  [
    "a symlink back through what will be the link to the logs",
    (p) => symlinkSync("logs/../../x", `${p}/l`),
    ['"l" is a symlink that goes back through a name that is no directory in the pack: "logs/../../x"'],
  ],
  [
    "a symlink of 101 bytes",
    (p) => symlinkSync("t".repeat(101), `${p}/l`),
    ['"l" is a symlink whose target has 101 bytes: the tar format holds 100'],
  ],
  [
    "a symlink whose target is not UTF-8",
    (p) => symlinkSync(Buffer.from([0xff]), `${p}/l`),
    ['"l" is a symlink whose target is not UTF-8'],
  ],
  [
    "a name that is not UTF-8",
    (p) => writeFileSync(Buffer.concat([Buffer.from(`${p}/`), Buffer.from([0xff, 0x61])]), ""),
    ['"\uFFFDa" has a name that is not UTF-8'],
  ],
  [
    "an encoded surrogate in a name",
    (p) => writeFileSync(Buffer.concat([Buffer.from(`${p}/`), Buffer.from([0xed, 0xa0, 0x80])]), ""),
    ['"\uFFFD\uFFFD\uFFFD" has a name that is not UTF-8'],
  ],
  ["a fifo", (p) => void Bun.spawnSync(["mkfifo", `${p}/f`]), ['"f" is a fifo']],
  ["a socket", (p) => Bun.listen({ unix: `${p}/s`, socket: { data() {} } }).unref(), ['"s" is a socket']],
  [
    "a hard link to a file outside",
    (p, outside) => linkSync(outside, `${p}/f`),
    ['"f" has 2 hard links, and 1 of them in the pack'],
  ],
  [
    "a hard link to an ignored file",
    (p) => {
      writeFileSync(`${p}/.auroraignore`, "ignored\n");
      writeFileSync(`${p}/ignored`, "");
      linkSync(`${p}/ignored`, `${p}/f`);
    },
    ['"f" has 2 hard links, and 1 of them in the pack'],
  ],
  [
    "a setgid directory",
    (p) => {
      mkdirSync(`${p}/d`);
      chmodSync(`${p}/d`, 0o2755);
    },
    ['"d" is a directory with the set-group-ID or set-user-ID bit'],
  ],
  [
    "a pack that is a setgid directory",
    (p) => chmodSync(p, 0o2755),
    ['"." is a directory with the set-group-ID or set-user-ID bit'],
  ],
  [
    "a file beyond 8 GiB",
    (p) => {
      writeFileSync(`${p}/f`, "");
      truncateSync(`${p}/f`, MAX_FILE_BYTES + 1);
    },
    ['"f" is larger than 8 GiB, the limit of the tar format'],
  ],
];

test.each(cases)("%s is refused", async (_name, make, messages) => {
  using directory = scratch();
  const pack = `${directory.path}/pack`;
  mkdirSync(pack);
  writeFileSync(`${pack}/good`, "good");
  writeFileSync(`${directory.path}/outside`, "secret");
  make(pack, `${directory.path}/outside`);
  const { code, diagnostics } = await refusal(scanTree(pack));
  expect(code).toBe("pack-invalid");
  expect(diagnostics.map(({ message }) => message.replaceAll(pack, "PACK"))).toEqual(messages);
  for (const { hint } of diagnostics) expect(hint).toBeString();
});

test("a device is refused", async () => {
  using directory = scratch();
  if (!Bun.spawnSync(["mknod", `${directory.path}/d`, "c", "1", "3"]).success) return; // Only root may make one.
  const { diagnostics } = await refusal(scanTree(directory.path));
  expect(diagnostics.map(({ message }) => message)).toEqual(['"d" is a device']);
});

test("all offenders are named at once, up to a limit", async () => {
  using directory = scratch();
  for (let i = 0; i < MAX_SHOWN_OFFENDERS + 3; i++)
    symlinkSync("/x", `${directory.path}/l${String(i).padStart(2, "0")}`);
  const { message, diagnostics } = await refusal(scanTree(directory.path));
  expect(message).toBe(
    `cannot read the pack "${directory.path}": it holds 23 entries that a pack may not hold`,
  );
  expect(diagnostics).toHaveLength(MAX_SHOWN_OFFENDERS + 1);
  expect(diagnostics.at(-1)?.message).toBe("and 3 more");
});

test("a name with control characters is shown on one line", async () => {
  using directory = scratch();
  symlinkSync("/x", `${directory.path}/a\n\u001b[31m\u009b`);
  const { diagnostics } = await refusal(scanTree(directory.path));
  expect(diagnostics[0]?.message).toBe('"a\\n\\u001b[31m\\u009b" is an absolute symlink: "/x"');
});

test("more names than the limit are refused", async () => {
  using directory = scratch();
  for (let i = 0; i < 5; i++) writeFileSync(`${directory.path}/${i}`, "");
  const survey = (maxEntries: number) =>
    surveyPack(directory.path, () => false, createPause(undefined), { maxEntries });
  expect((await survey(5)).entries).toBe(5);
  expect(await refusal(survey(4))).toMatchObject({
    code: "too-large",
    message: `cannot read the pack "${directory.path}": it holds more than 4 names`,
  });
});

test("directories nested beyond any path are refused, not walked", async () => {
  using directory = scratch();
  // 400 levels are deeper than a path may be long: made from inside.
  Bun.spawnSync(["sh", "-c", "for i in $(seq 400); do mkdir dddddddddd && cd dddddddddd; done"], {
    cwd: directory.path,
  });
  const { diagnostics } = await refusal(scanTree(directory.path));
  expect(diagnostics).toHaveLength(1);
  expect(diagnostics[0]?.message).toEndWith("has a path that is too long for the tar format");
  Bun.spawnSync(["rm", "-rf", `${directory.path}/dddddddddd`]);
});

describe("what this user cannot read", () => {
  test("is refused before anything is read", async () => {
    using directory = scratch();
    chmodSync(directory.path, 0o755);
    writeFileSync(`${directory.path}/closed`, "");
    mkdirSync(`${directory.path}/shut`);
    chmodSync(`${directory.path}/closed`, 0);
    chmodSync(`${directory.path}/shut`, 0);
    const script = `import { scanTree } from ${JSON.stringify(`${import.meta.dir}/../../src/store/scan-tree.ts`)};
      await scanTree(${JSON.stringify(directory.path)}).catch((e) => console.log(JSON.stringify(e.diagnostics)));`;
    const { stdout } = Bun.spawnSync([...asOrdinaryUser, process.execPath, "-e", script]);
    expect(JSON.parse(stdout.toString())).toMatchObject([
      { message: '"closed" cannot be read: permission denied' },
      { message: '"shut" cannot be read: permission denied' },
    ]);
  });
});

describe(".auroraignore", () => {
  test.each<[string, (path: string) => void, string]>([
    ["a symlink", (path) => symlinkSync("good", path), "it is not a regular file"],
    ["a directory", (path) => mkdirSync(path), "it is not a regular file"],
    ["a fifo", (path) => void Bun.spawnSync(["mkfifo", path]), "it is not a regular file"],
    [
      "too large",
      (path) => writeFileSync(path, "#".repeat(MAX_IGNORE_FILE_BYTES + 1)),
      "it is larger than 1 MiB",
    ],
  ])("%s is refused", async (_name, make, reason) => {
    using directory = scratch();
    make(`${directory.path}/.auroraignore`);
    expect(await refusal(scanTree(directory.path))).toMatchObject({
      code: "pack-invalid",
      message: `cannot read "${directory.path}/.auroraignore": ${reason}`,
    });
  });

  test("of 1 MiB is read", async () => {
    using directory = scratch();
    writeFileSync(`${directory.path}/.auroraignore`, `x\n${"#".repeat(MAX_IGNORE_FILE_BYTES - 2)}`);
    writeFileSync(`${directory.path}/x`, "");
    expect((await scanTree(directory.path)).entries.map(({ path }) => path)).toEqual([".auroraignore"]);
  });
});

describe("a pack that changes while it is read", () => {
  /** Runs `change` right before the content of "m" is read: "a" has been read by then, and "z" has not. */
  async function readWhile(
    change: (pack: string, outside: string) => void,
  ): Promise<{ read: string; error: AuroraError }> {
    using directory = scratch();
    const pack = `${directory.path}/pack`;
    const outside = `${directory.path}/outside`;
    mkdirSync(`${pack}/d`, { recursive: true });
    mkdirSync(outside);
    for (const name of ["a", "m", "z", "d/f"]) writeFileSync(`${pack}/${name}`, `content of ${name}`);
    for (const name of ["m", "z", "f"]) writeFileSync(`${outside}/${name}`, `secret of ${name}`);
    let read = "";
    const sink: PackSink = {
      openDirectory() {},
      closeDirectory() {},
      symlink() {},
      openFile: ({ path }) => path === "a" && change(pack, outside),
      write: (bytes) => (read += Buffer.from(bytes).toString()),
      closeFile() {},
    };
    return { error: await refusal(readPack(pack, () => false, { sinkFor: () => sink })), read };
  }

  test.each<[string, (pack: string, outside: string) => void, string]>([
    ["a file grows", (p) => appendFileSync(`${p}/m`, "more"), '"m"'],
    ["a file that is being read grows", (p) => appendFileSync(`${p}/a`, "more"), '"a"'],
    ["a file that is being read shrinks to nothing", (p) => truncateSync(`${p}/a`), '"a"'],
    ["a file goes", (p) => rmSync(`${p}/m`), '"m"'],
    ["a file comes", (p) => writeFileSync(`${p}/new`, ""), "it"],
    [
      "a file is replaced by one of the same size",
      (p) => {
        writeFileSync(`${p}/new`, "other   of m");
        renameSync(`${p}/new`, `${p}/m`);
      },
      '"m"',
    ],
    ["a file becomes executable", (p) => chmodSync(`${p}/m`, 0o755), '"m"'],
    [
      "a file becomes a symlink to the outside",
      (p, outside) => {
        rmSync(`${p}/m`);
        symlinkSync(`${outside}/m`, `${p}/m`);
      },
      '"m"',
    ],
    [
      "a file becomes a fifo",
      (p) => {
        rmSync(`${p}/m`);
        Bun.spawnSync(["mkfifo", `${p}/m`]);
      },
      '"m"',
    ],
    [
      "a file becomes a hard link to the outside",
      (p, outside) => {
        rmSync(`${p}/m`);
        linkSync(`${outside}/m`, `${p}/m`);
      },
      '"m"',
    ],
    [
      "a directory becomes a symlink to the outside",
      (p, outside) => {
        renameSync(`${p}/d`, `${p}/../d`);
        symlinkSync(outside, `${p}/d`);
      },
      '"d"',
    ],
    [
      "a directory becomes another",
      (p, outside) => {
        renameSync(`${p}/d`, `${p}/../d`);
        renameSync(outside, `${p}/d`);
      },
      '"d"',
    ],
  ])("%s", async (_name, change, place) => {
    const { read, error } = await readWhile(change);
    expect(error.code).toBe("pack-invalid");
    expect(error.message).toMatch(
      new RegExp(`^cannot read the pack ".*/pack": ${place} changed while it was read$`),
    );
    expect(read).not.toContain("secret");
  });

  test("the whole pack is exchanged for the outside: nothing of it is read", async () => {
    const { read } = await readWhile((pack, outside) => {
      renameSync(pack, `${pack}-gone`);
      renameSync(outside, pack);
    });
    expect(read).not.toContain("secret");
  });

  test("what comes and is ignored does not matter", async () => {
    using directory = scratch();
    writeFileSync(`${directory.path}/a`, "");
    const sink: PackSink = {
      openDirectory() {},
      closeDirectory() {},
      symlink() {},
      openFile: () => writeFileSync(`${directory.path}/log`, ""),
      write() {},
      closeFile() {},
    };
    const { entries } = await readPack(directory.path, (_path, name) => name === "log", {
      sinkFor: () => sink,
    });
    expect(entries.map(({ path }) => path)).toEqual(["a"]);
  });
});

test("an aborted signal stops the reading", async () => {
  using directory = scratch();
  writeFileSync(`${directory.path}/a`, "");
  const { code, exitCode } = await refusal(scanTree(directory.path, { signal: AbortSignal.abort("SIGINT") }));
  expect({ code, exitCode }).toEqual({ code: "interrupted", exitCode: 130 });
});
