/** The daemon as process 1 of a container: here, of a pid namespace. */
import { describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

import { auroraCommand } from "../support/aurora.ts";
import { eventually } from "../support/eventually.ts";
import { serviceHome, simplePack } from "./service-home.ts";

const canUnshare =
  process.getuid?.() === 0 &&
  Bun.which("unshare") !== null &&
  Bun.spawnSync(["unshare", "--pid", "--fork", "--mount-proc", "true"]).exitCode === 0;

/** The processes whose parent is `parent`, as pid and state. */
function childrenOf(parent: number): { pid: number; state: string }[] {
  return readdirSync("/proc")
    .map(Number)
    .filter(Number.isInteger)
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
        const [state = "", ppid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return Number(ppid) === parent ? [{ pid, state }] : [];
      } catch {
        return [];
      }
    });
}

async function container(t: ReturnType<typeof serviceHome>) {
  const shell = Bun.spawn(
    ["unshare", "--pid", "--fork", "--mount-proc", ...auroraCommand, "daemon", "--home", t.home, "--json"],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const { value } = await shell.stdout.getReader().read();
  expect(JSON.parse(new TextDecoder().decode(value))).toMatchObject({ pid: 1 });
  const pid = childrenOf(shell.pid)[0]?.pid as number;
  return { shell, pid, inside: ["nsenter", "--target", String(pid), "--pid", "--mount"] };
}

const post = (home: string, path: string) =>
  fetch(`http://aurora${path}`, { unix: `${home}/run/aurora.sock`, method: "POST" } as RequestInit);

describe.skipIf(!canUnshare)("process 1 (needs root, unshare and nsenter)", () => {
  test("it stops all services in reverse order on SIGTERM and SIGINT, and exits with 0", async () => {
    await using t = serviceHome();
    writeFileSync(`${t.shared}/order`, "");
    chmodSync(`${t.shared}/order`, 0o666);
    const permissions = `  permissions: { write: ["${t.shared}"] }`;
    const said = (id: string) => `trap 'echo "down ${id}" >> "${t.shared}/order"; exit 0' TERM
trap 'echo "usr1 ${id}" >> "${t.shared}/order"' USR1
echo "up ${id}" >> "${t.shared}/order"
while :; do sleep 0.02; done`;
    t.write(simplePack({ id: "base", start: said("base"), manifest: permissions }));
    t.write(
      simplePack({ start: said("app"), manifest: `  dependencies: [{ pack_id: base }]\n${permissions}` }),
    );
    expect((await t.run(["install", "--no-start", "app", "--approve"])).exitCode).toBe(0);
    const { shell, pid } = await container(t);
    const order = () => readFileSync(`${t.shared}/order`, "utf8");
    // Each has set its traps when it says that it is up, and who says so first is up to the machine.
    for (const id of ["base", "app"]) {
      await post(t.home, `/v1/packs/${id}/start`);
      await eventually(id, () => order().includes(`up ${id}`) || undefined);
    }
    process.kill(pid, "SIGUSR1");
    await eventually("the signal, passed on", () => order().match(/usr1/g)?.length === 2 || undefined);
    process.kill(pid, "SIGTERM");
    const exitCode = await shell.exited;
    // Why it has ended otherwise.
    expect(exitCode === 0 ? "" : await shell.stderr.text()).toBe("");
    const lines = order()
      .trim()
      .split("\n")
      .filter((line) => !line.startsWith("usr1"));
    expect(lines).toEqual(["up base", "up app", "down app", "down base"]);

    // The next container starts what is wanted.
    const next = await container(t);
    await eventually("both again", () => order().match(/up /g)?.length === 4 || undefined);
    process.kill(next.pid, "SIGINT");
    expect(await next.shell.exited).toBe(0);
    expect(order()).toEndWith("down app\ndown base\n");
  });

  test("a service that will not end gets SIGKILL, and the container ends all the same", async () => {
    await using t = serviceHome();
    t.write({
      ...simplePack({ start: "trap '' TERM\necho up\nwhile :; do sleep 0.1; done" }),
      manifest: "  service: { type: simple, stop_timeout_seconds: 0.2 }",
    });
    await t.run(["install", "--no-start", "app"]);
    const { shell, pid } = await container(t);
    await post(t.home, "/v1/packs/app/start");
    await eventually("its start", () => t.log() === "up\n" || undefined);
    process.kill(pid, "SIGTERM");
    expect(await shell.exited).toBe(0);
  });

  test("a container that was killed: the next one starts what is wanted, oneshot packs too", async () => {
    await using t = serviceHome();
    t.write({ id: "one", install: null, health: null });
    t.write(simplePack());
    await t.run(["install", "--no-start", "app", "one"]);
    const first = await container(t);
    await post(t.home, "/v1/packs/one/start");
    await post(t.home, "/v1/packs/app/start");
    process.kill(first.pid, "SIGKILL");
    await first.shell.exited;
    const next = await container(t);
    await eventually(
      "both",
      () => (t.processesOf("app").length > 0 && t.processesOf("one").length > 0) || undefined,
    );
    process.kill(next.pid, "SIGTERM");
    expect(await next.shell.exited).toBe(0);
  });

  test("it reaps what has lost its parent", async () => {
    await using t = serviceHome();
    const { shell, pid, inside } = await container(t);
    const orphans = 20;
    const script = `for i in $(seq ${orphans}); do (sleep 300 > /dev/null 2>&1 &) ; done`;
    Bun.spawnSync([...inside, "sh", "-c", script]);
    await eventually("the orphans", () => childrenOf(pid).length >= orphans || undefined);
    for (const orphan of childrenOf(pid)) process.kill(orphan.pid, "SIGKILL");
    await eventually("their end", () => childrenOf(pid).length === 0 || undefined);
    process.kill(pid, "SIGTERM");
    expect(await shell.exited).toBe(0);
  });
});
