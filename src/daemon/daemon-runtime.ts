/**
 * How the runtime of a daemon is set, by its environment: it does little, again and again, and compiled code takes more memory than it
 * saves time. Nothing of it reaches a pack.
 */
export const daemonRuntime: Readonly<Record<string, string>> = {
  BUN_JSC_useBaselineJIT: "0",
  BUN_JSC_useDFGJIT: "0",
  // Half a megabyte of empty heap, kept ready by a thread of its own for whoever allocates fast.
  BUN_JSC_useWarmUpMarkedBlocks: "0",
  // It looks once a second, later once in 30, whether to collect garbage. The collector has timers of its own, for when there is some.
  BUN_GC_TIMER_DISABLE: "1",
};
