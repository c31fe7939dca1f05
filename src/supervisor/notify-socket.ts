import { chmodSync, closeSync, readdirSync, rmSync } from "node:fs";

import { DatagramSocket, MAX_SOCKET_PATH_BYTES } from "../system/datagram-socket.ts";
import { onceReadable } from "../system/readable.ts";
import { type NotifyMessage, parseNotifyMessage } from "./notify-message.ts";

/** Packs run as users of their own may write to it: who a message is from says the kernel, not the name. */
const SOCKET_MODE = 0o666;
const NAME = "notify-";
/** A UUID in base64url. */
const SECRET_BYTES = 22;
/** In a directory with a longer path there is no room for a socket. */
export const MAX_NOTIFY_DIRECTORY_BYTES = MAX_SOCKET_PATH_BYTES - `/${NAME}`.length - SECRET_BYTES;

/** The socket behind `$NOTIFY_SOCKET`: each service has its own, under a name that no other one can guess. */
export class NotifySocket {
  /** What the variable is set to. */
  readonly address: string;
  readonly #socket: DatagramSocket;
  readonly #receive: (pid: number, message: NotifyMessage) => void;
  #unwatch: () => boolean;

  /**
   * @param directory where it is made, instead of what a dead daemon left there. A path that is too long for a socket gives
   *   one in the abstract namespace
   * @param secret the mark of the service, a UUID: the name is made of it
   * @param receive called with each message and the process that sent it
   */
  constructor(directory: string, secret: string, receive: (pid: number, message: NotifyMessage) => void) {
    this.#receive = receive;
    // As short as it goes: with a longer home there is no room for it.
    const name = `${NAME}${Buffer.from(secret.replaceAll("-", ""), "hex").toString("base64url")}`;
    const path = `${directory}/${name}`;
    const isFile = Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES;
    this.address = isFile ? path : `@aurora-${name}`;
    if (isFile) rmSync(path, { force: true });
    this.#socket = new DatagramSocket(this.address);
    if (isFile) chmodSync(path, SOCKET_MODE);
    this.#unwatch = this.#watch();
  }

  #watch(): () => boolean {
    return onceReadable(this.#socket.descriptor, () => {
      this.drain();
      this.#unwatch = this.#watch();
    });
  }

  /** Takes what has been sent so far. */
  drain(): void {
    for (let datagram = this.#socket.receive(); datagram; datagram = this.#socket.receive()) {
      try {
        this.#receive(datagram.pid, parseNotifyMessage(datagram.text));
      } finally {
        // BARRIER=1 (sd_notify_barrier(3)): whoever waits learns by the close that all before it is dealt with.
        for (const descriptor of datagram.descriptors) closeSync(descriptor);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#unwatch();
    this.#socket.close();
    if (!this.address.startsWith("@")) rmSync(this.address, { force: true });
  }
}

/** Removes the sockets that dead daemons have left in a directory. */
export function sweepNotifySockets(directory: string): void {
  for (const name of readdirSync(directory))
    if (name.startsWith(NAME)) rmSync(`${directory}/${name}`, { force: true });
}
