import { type NotifyMessage } from "./notify-message.ts";
import { NotifySocket, sweepNotifySockets } from "./notify-socket.ts";

/** The sockets of all services that say how they are: each has one for as long as its mark is the same. */
export class NotifySockets {
  readonly #directory: string;
  readonly #receive: (packId: string, pid: number, message: NotifyMessage) => void;
  /** By pack, with the mark of the service that knows its name. */
  readonly #sockets = new Map<string, { serviceId: string; socket: NotifySocket }>();

  /**
   * @param directory where they are made
   * @param receive called with each message and the process that sent it
   */
  constructor(directory: string, receive: (packId: string, pid: number, message: NotifyMessage) => void) {
    this.#directory = directory;
    this.#receive = receive;
  }

  /** Removes what dead daemons have left. */
  sweep(): void {
    sweepNotifySockets(this.#directory);
  }

  /** What `$NOTIFY_SOCKET` is for a service; from now on there is a socket. */
  addressOf(packId: string, serviceId: string): string {
    const known = this.#sockets.get(packId);
    if (known?.serviceId === serviceId) return known.socket.address;
    known?.socket[Symbol.dispose]();
    const socket = new NotifySocket(this.#directory, serviceId, (pid, message) =>
      this.#receive(packId, pid, message),
    );
    this.#sockets.set(packId, { serviceId, socket });
    return socket.address;
  }

  /** Takes what a service has sent so far, for example before its end is judged. */
  drain(packId: string): void {
    this.#sockets.get(packId)?.socket.drain();
  }

  remove(packId: string): void {
    this.#sockets.get(packId)?.socket[Symbol.dispose]();
    this.#sockets.delete(packId);
  }

  [Symbol.dispose](): void {
    for (const packId of this.#sockets.keys()) this.remove(packId);
  }
}
