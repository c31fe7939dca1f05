import { type DaemonEnding } from "./daemon.ts";
import { isMachineGoingDown } from "./machine-going-down.ts";

type SignalWorld = {
  env: Readonly<Record<string, string | undefined>>;
  end: (ending: DaemonEnding) => void;
  reload: () => void;
  /** Sends a signal to the first process of each service. */
  pass: (signal: NodeJS.Signals) => void;
};

/**
 * What signals do to the daemon.
 *
 * | signal | does |
 * | --- | --- |
 * | SIGTERM, SIGINT | end it; services live on. As process 1, and where the machine goes down, they are stopped first, since nothing outlives that |
 * | SIGHUP | looks at the home anew |
 * | SIGUSR1, SIGUSR2 | as process 1: to all services, which nobody outside a container can reach otherwise. Else nothing |
 */
export function listenToSignals({ env, end, reload, pass }: SignalWorld): Disposable {
  const isFirst = process.pid === 1;
  const terminate = () => {
    if (isFirst) return end("stop-services");
    void isMachineGoingDown(env).then((isGoingDown) => end(isGoingDown ? "stop-services" : "stop"));
  };
  const passOn = (signal: NodeJS.Signals) => {
    if (isFirst) pass(signal);
  };
  const handlers: [NodeJS.Signals, (signal: NodeJS.Signals) => void][] = [
    ["SIGTERM", terminate],
    ["SIGINT", terminate],
    ["SIGHUP", reload],
    ["SIGUSR1", passOn],
    ["SIGUSR2", passOn],
  ];
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return {
    [Symbol.dispose]() {
      for (const [signal, handler] of handlers) process.off(signal, handler);
    },
  };
}
