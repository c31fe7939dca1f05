import { type Context } from "../commands/command.ts";

type Log = Context["log"];
export type LoadedLog = Omit<Log, "flush">;

/**
 * A log that is loaded when it is first used: most commands that look at something never say a word on stderr, and loading
 * consola costs a tenth of their start-up. What is said before it is there is said in order as soon as it is.
 */
export function createLazyLog(load: () => Promise<LoadedLog>): Log {
  let log: LoadedLog | undefined;
  let loading: Promise<void> | undefined;
  const waiting: ((log: LoadedLog) => void)[] = [];
  const loadAndSay = async (): Promise<void> => {
    log = await load();
    for (const work of waiting.splice(0)) work(log);
  };
  const say = (work: (log: LoadedLog) => void): void => {
    if (log) return work(log);
    waiting.push(work);
    if (loading) return;
    loading = loadAndSay();
    // What cannot be said is told by flush.
    loading.catch(() => {});
  };
  return {
    info: (message) => say(({ info }) => info(message)),
    warn: (message) => say(({ warn }) => warn(message)),
    progress: (message) => {
      if (log !== undefined || message !== undefined) say(({ progress }) => progress(message));
    },
    flush: async () => {
      await loading;
    },
  };
}
