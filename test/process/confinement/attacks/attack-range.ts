import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { prepareConfinement } from "../../../../src/process/confinement/confine.ts";
import { type KernelFeatures } from "../../../../src/process/confinement/kernel.ts";
import { type Policy } from "../../../../src/process/confinement/policy.ts";
import { makeHome, policyIn } from "../confined-home.ts";

export function compileAttack(file: string, compiler = "gcc"): void {
  const source = join(import.meta.dir, "attack.c");
  const argv = [compiler, "-O1", "-w", "-static", "-no-pie", "-o", file, source];
  const { exitCode, stderr } = Bun.spawnSync(argv, { stderr: "pipe" });
  if (exitCode !== 0) throw new Error(stderr.toString());
}

/** Where attacks are tried: what is attacked, and what the attacker may have, all made anew for each. */
export class AttackRange {
  readonly #program: string;
  readonly #home: string;
  readonly #outside: string;
  readonly #shared = `aurora-attack-${process.pid}`;
  #victim: Bun.Subprocess<"ignore", "pipe", "inherit"> | undefined;
  ports: [own: number, other: number] = [0, 0];

  constructor(program: string, root: string) {
    this.#program = program;
    this.#home = join(root, "home");
    this.#outside = join(root, "outside");
  }

  async open(): Promise<void> {
    mkdirSync(this.#outside, { recursive: true });
    makeHome(this.#home);
    this.#victim = Bun.spawn([this.#program, "victim", this.#outside], { stdin: "ignore", stdout: "pipe" });
    const reader = this.#victim.stdout.getReader();
    const { value } = await reader.read();
    this.ports = new TextDecoder().decode(value).split(" ").map(Number) as [number, number];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#victim?.kill("SIGKILL");
    await this.#victim?.exited;
    rmSync(`/dev/shm/${this.#shared}`, { force: true });
  }

  policy(permissions?: Parameters<typeof policyIn>[1], limits?: Parameters<typeof policyIn>[2]): Policy {
    return policyIn(this.#home, permissions, limits);
  }

  /**
   * Tries one attack.
   *
   * @param features null for no confinement at all, the control
   * @returns 0 where it worked, else the errno that stopped it
   */
  async try(name: string, policy: Policy, features: KernelFeatures | null): Promise<number> {
    this.#reset();
    const data = join(this.#home, "data");
    if (process.geteuid?.() === 0) chownSync(data, 0, 0);
    const tree = join(this.#home, "tree");
    const file = join(tree, "attack");
    const argv = [
      file,
      name,
      this.#outside,
      join(this.#home, "data"),
      String(this.#victim?.pid),
      String(this.ports[0]),
    ];
    const env = { SHARED: this.#shared, OTHER_PORT: String(this.ports[1]) };
    const confinement = features && prepareConfinement(policy, features, { required: false });
    const { uid } = policy;
    if (uid !== undefined)
      for (const path of [join(this.#home, "data"), join(this.#home, "data", "mine")])
        chownSync(path, uid, uid);
    const inherited = openSync(join(this.#outside, "secret"), "r");
    try {
      using launch = confinement?.launch?.({ file, argv, cwd: tree, env, hasShellFallback: false });
      const child = Bun.spawn(launch ? [launch.file, ...launch.argv.slice(1)] : argv, {
        env: launch?.env ?? env,
        cwd: tree,
        stdio: ["ignore", "inherit", "inherit", ...(launch?.descriptors ?? []), inherited],
        detached: true,
      });
      const code = await child.exited;
      const failure = launch?.failure();
      if (failure) throw failure;
      if (code === 254) throw new Error(`there is no attack "${name}"`);
      // What the attack has left of its own, as a fork bomb does.
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // Nothing is left.
      }
      return code;
    } finally {
      closeSync(inherited);
    }
  }

  #reset(): void {
    for (const directory of [this.#outside, join(this.#home, "data")])
      for (const name of readdirSync(directory))
        if (!name.endsWith(".sock")) rmSync(join(directory, name), { recursive: true, force: true });
    mkdirSync(join(this.#outside, "empty"));
    writeFileSync(join(this.#outside, "secret"), "a secret");
    writeFileSync(join(this.#home, "data", "mine"), "mine");
    linkSync(join(this.#outside, "secret"), join(this.#home, "data", "premade"));
    const attack = join(this.#home, "tree", "attack");
    try {
      unlinkSync(attack);
    } catch {
      // The first time it is not there.
    }
    copyFileSync(this.#program, attack);
    chmodSync(attack, 0o755);
    for (const directory of [this.#outside, join(this.#home, "data")])
      linkSync(attack, join(directory, "program"));
    writeFileSync(`/dev/shm/${this.#shared}`, "shared");
  }
}
