import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";

import { type Image, must } from "./image.ts";

export type Answer = { rc: number; output: string };

/** What a file system of its own for Aurora's home may be; the machine's is ext4. */
export type HomeDisk = "xfs" | "btrfs";

/** What a machine has beyond the usual. */
export type Extras = {
  /** A second disk with this file system, /dev/vda. */
  home?: HomeDisk;
  /** For the kernel's command line. */
  kernelOptions?: string;
};

const HOME_DISK_SIZE = "1G";

/** A machine may take so long to boot, or to answer, in milliseconds: without KVM everything takes twenty times longer, or more. */
const PATIENCE_MS = 1_800_000;
/** So often a machine is switched on until it boots. */
const BOOTS = 3;

/**
 * A virtual machine with a disk of its own. What runs on it is told by its second serial port; what its first one says is in
 * `console`.
 */
export class Machine implements AsyncDisposable {
  readonly console: string;
  readonly #image: Image;
  readonly #kernelOptions: string;
  readonly #disk: string;
  readonly #homeDisk: string | undefined;
  readonly #socket: string;
  #qemu: Bun.Subprocess | undefined;
  #port: { write: (text: string) => void; end: () => void } | undefined;
  #sent = 0;
  #received = "";
  #waiter: (() => void) | undefined;

  /** @param name the machine's files in the directory begin with it */
  constructor(image: Image, directory: string, name: string, { home, kernelOptions = "" }: Extras = {}) {
    this.#image = image;
    this.#kernelOptions = kernelOptions;
    this.console = `${directory}/${name}.console`;
    this.#disk = `${directory}/${name}.disk`;
    this.#socket = `${directory}/${name}.sock`;
    must(["cp", "--sparse=always", "--reflink=auto", image.disk, this.#disk]);
    if (home !== undefined) {
      this.#homeDisk = `${directory}/${name}.home`;
      rmSync(this.#homeDisk, { force: true });
      must(["truncate", "-s", HOME_DISK_SIZE, this.#homeDisk]);
      must([`mkfs.${home}`, "-q", this.#homeDisk]);
    }
    writeFileSync(this.console, "");
  }

  /**
   * Switches it on and waits until it answers. Emulated processors may meet code that the kernel is just changing ("int3"): that is
   * the emulator's fault, and the machine is switched on again.
   */
  async boot(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const before = this.said().length;
      try {
        return await this.#switchOn();
      } catch (thrown) {
        const isEmulator = this.said().slice(before).includes("Oops: int3");
        if (!isEmulator || attempt === BOOTS) throw thrown;
      }
    }
  }

  async #switchOn(): Promise<void> {
    rmSync(this.#socket, { force: true });
    const console = openSync(this.console, "a");
    // It ends with this program, however that ends.
    this.#qemu = Bun.spawn(["setpriv", "--pdeathsig", "KILL", ...this.#command()], {
      stdio: ["ignore", console, console],
    });
    closeSync(console);
    void this.#qemu.exited.then(() => this.#waiter?.());
    this.#received = "";
    const port = await this.#connect();
    this.#port = { write: (text) => void port.write(text), end: () => port.end() };
    await this.#line((line) => line.endsWith("ready"));
  }

  #command(): string[] {
    const { arch, kernel } = this.#image;
    const drive = (id: string, file: string) => `-drive if=none,id=${id},format=raw,cache=none,file=${file}`;
    const options = [
      "-accel tcg,thread=multi -smp 2 -m 1536 -nodefaults -no-reboot -display none -nic none",
      // Debian's kernel has the driver for it built in. With cache=none a write is on the disk when it is reported.
      `-device nvme,drive=disk,serial=disk ${drive("disk", this.#disk)}`,
      // Of two disks of one kind either may be the first.
      ...(this.#homeDisk === undefined
        ? []
        : [`-device virtio-blk-pci,drive=home ${drive("home", this.#homeDisk)}`]),
      "-chardev stdio,id=console -serial chardev:console",
      `-chardev socket,id=agent,server=on,wait=on,path=${this.#socket}`,
      `-kernel ${kernel}`,
    ].flatMap((words) => words.split(" "));
    const kernelLine = `root=/dev/nvme0n1 rw ${arch.kernelOptions} loglevel=4 panic=-1 ${this.#kernelOptions}`;
    return [...arch.emulator, ...options, ...arch.agent.device, "-append", kernelLine];
  }

  /** Runs a shell script on it as root. */
  async run(script: string, patienceMs = PATIENCE_MS): Promise<Answer> {
    // The answer to another one, which nobody waits for any more, may come first.
    const number = this.#send(script);
    const line = await this.#line((text) => text.startsWith(`${number} `), patienceMs);
    const [, rc, output = ""] = line.split(" ");
    return { rc: Number(rc), output: Buffer.from(output, "base64").toString().trimEnd() };
  }

  /** Asks for something whose answer nobody waits for, because the machine may be gone by then. */
  begin(script: string): void {
    this.#send(script);
  }

  #send(script: string): number {
    this.#port?.write(`${++this.#sent} ${Buffer.from(script).toString("base64")}\n`);
    return this.#sent;
  }

  /** What it has said on its first serial port since it was made. */
  said(): string {
    return readFileSync(this.console, "latin1");
  }

  /** Takes the power away, now. Whoever waits for an answer hears of it. */
  async cutPower(): Promise<void> {
    this.#qemu?.kill("SIGKILL");
    await this.#qemu?.exited;
    this.#port?.end();
    this.#waiter?.();
  }

  /** Waits until it has switched itself off. */
  async off(patienceMs = PATIENCE_MS): Promise<void> {
    const timer = setTimeout(() => void this.cutPower(), patienceMs);
    const code = await this.#qemu?.exited;
    clearTimeout(timer);
    this.#port?.end();
    if (code !== 0) throw new Error(`the machine did not switch itself off: ${this.said().slice(-2000)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cutPower();
    rmSync(this.#disk, { force: true });
    if (this.#homeDisk !== undefined) rmSync(this.#homeDisk, { force: true });
    rmSync(this.#socket, { force: true });
  }

  #isOff(): boolean {
    return this.#qemu?.exitCode !== null || this.#qemu.signalCode !== null;
  }

  async #connect() {
    const socket = {
      data: (_: unknown, bytes: Buffer) => {
        this.#received += bytes.toString("latin1");
        this.#waiter?.();
      },
    };
    for (;;) {
      try {
        return await Bun.connect({ unix: this.#socket, socket });
      } catch (thrown) {
        if (this.#isOff()) throw new Error(`qemu: ${this.said().slice(-2000)}`, { cause: thrown });
        await Bun.sleep(20);
      }
    }
  }

  /** The next line that is of interest. */
  async #line(isIt: (line: string) => boolean, patienceMs = PATIENCE_MS): Promise<string> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      for (let end = this.#received.indexOf("\n"); end !== -1; end = this.#received.indexOf("\n")) {
        const line = this.#received.slice(0, end).replaceAll("\r", "");
        this.#received = this.#received.slice(end + 1);
        if (isIt(line)) return line;
      }
      if (this.#isOff() || performance.now() >= deadline)
        throw new Error(`the machine does not answer: ${this.said().slice(-2000)}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiter = resolve;
      const timer = setTimeout(resolve, deadline - performance.now());
      await promise;
      clearTimeout(timer);
    }
  }
}
