/** `limits.memory` without a control group: what it stops, and that Aurora's own runtime and commands work below it. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { eventually } from "../support/eventually.ts";
import { userHome, users } from "../support/user-home.ts";

const TIMEOUT_MS = 60_000;
/** The runtime reserves gigabytes, and uses some 30 MiB. */
const limits = "  limits: { memory: 128MiB }";
/** Each of the two is within the limit. */
const half = "dd if=/dev/zero of=/dev/null bs=100M count=1000000 2> /dev/null";
const greedy = `${half} & ${half}`;

describe.each(users)("as %s", (user) => {
  test("TypeScript and `aurora` run in scripts, a service, a job and exec", async () => {
    await using t = userHome(user);
    const write = (name: string) => `echo ${name} | "$AURORA_BIN" vfs write app /${name}`;
    const files = {
      "server.ts": `
        const { AURORA_BIN: aurora = "", AURORA_DATA_DIR: data } = process.env;
        const { exitCode } = Bun.spawnSync([aurora, "vfs", "write", "app", "/service"], { stdin: Buffer.from("service\\n") });
        await Bun.write(\`\${data}/ready\`, String(exitCode));
        setInterval(() => {}, 1 << 30);`,
      "job.sh": `#!/bin/sh\n${write("job")}\n`,
    };
    t.write({
      id: "app",
      install: write("install"),
      start: `exec "$AURORA_BIN" run "$AURORA_PACK_DIR/server.ts"`,
      stop: null,
      health: "test -e data/ready",
      manifest: `${limits}\n  service: { type: simple }\n  schedule: [{ name: job, every: 24h, run: job.sh }]`,
      files,
    });
    expect(await t.run(["install", "app", "--approve", "--quiet"])).toMatchObject({ exitCode: 0 });
    expect(await t.run(["exec", "app", "--", "sh", "-c", write("exec")])).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    expect(await t.run(["schedule", "run", "app", "job", "--quiet"])).toMatchObject({ exitCode: 0 });
    const read = (name: string) => readFileSync(`${t.home}/data/app/${name}`, "utf8");
    expect(read("ready")).toBe("0");
    for (const name of ["install", "service", "exec", "job"]) expect(read(name)).toBe(`${name}\n`);
  }, TIMEOUT_MS);

  test("a script and a job that were killed for it say so", async () => {
    await using t = userHome(user);
    const told = "was killed for lack of memory: it took more than its limit";
    const pack = {
      id: "app",
      start: "exec sleep 1000",
      stop: null,
      health: null,
      manifest: `${limits}\n  service: { type: simple }\n  schedule: [{ name: job, every: 24h, run: greedy.sh }]`,
      files: { "greedy.sh": `#!/bin/sh\n${greedy}\n` },
    };
    t.write({ ...pack, install: greedy });
    expect(await t.run(["install", "app", "--approve", "--quiet"])).toMatchObject({
      stderr: expect.stringContaining(`the dry run of "app" ${told}`),
      exitCode: 1,
    });
    t.write({ ...pack, version: "2.0.0" });
    expect(await t.run(["install", "app", "--approve", "--quiet"])).toMatchObject({ exitCode: 0 });
    expect((await t.run(["schedule", "run", "app", "job"])).exitCode).toBe(1);
    expect((await t.run(["schedule", "history", "app", "job"])).stdout).toContain(`it ${told}`);
  }, TIMEOUT_MS);

  test("what takes more is killed, with all that it has started, and a service starts again", async () => {
    await using t = userHome(user);
    t.write({
      id: "app",
      install: null,
      start: `echo begun >> data/starts; test -e data/good && exec sleep 1000; ${greedy}`,
      stop: null,
      health: null,
      manifest: `${limits}\n  service: { type: simple, restart: always, backoff_seconds: [1, 1] }`,
    });
    expect(await t.run(["install", "app", "--approve", "--quiet", "--no-start"])).toMatchObject({ exitCode: 0 });
    await t.run(["exec", "app", "--", "touch", "data/good"]);
    const killed = await t.run(["exec", "app", "--json", "--", "sh", "-c", `echo begun; ${greedy}`]);
    expect(JSON.parse(killed.stdout)).toMatchObject({
      rc: 137,
      signal: "SIGKILL",
      timeout: false,
      stdout: "begun\n",
      out_of_memory: true,
    });
    expect(killed.stderr).toBe(
      'warning: it was killed: all of it together had more memory than limits.memory of "app" allows\n',
    );
    expect(killed.exitCode).toBe(137);
    await t.run(["start", "app"]);
    await t.run(["exec", "app", "--", "rm", "data/good"]);
    const restarts = async () =>
      (await t.json(["status", "app"]) as { restarts: number }[])[0]?.restarts ?? 0;
    const before = await restarts();
    await t.run(["restart", "app"]);
    await eventually("a restart", async () => ((await restarts()) > before ? true : undefined));
    const { stdout } = await t.run(["events", "app"]);
    expect(stdout).toContain("reason=it was killed for lack of memory: it took more than its limit");
    expect(await t.run(["stop", "app", "--quiet"])).toMatchObject({ exitCode: 0 });
  }, TIMEOUT_MS);
});
