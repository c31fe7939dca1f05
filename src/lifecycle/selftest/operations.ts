/** A change that the self test interrupts: which home it begins with, and the command that makes it. */
export type Operation = {
  name: string;
  template: "empty" | "installed" | "upgraded" | "interrupted";
  command: string;
  /** PACKS stands for the directory of the test's packs. */
  args: readonly string[];
  rest?: readonly string[];
  options?: Readonly<Record<string, string>>;
};

/** Every kind of change that a home knows. A new one gets its line here. */
export const operations: readonly Operation[] = [
  { name: "stage", template: "installed", command: "stage", args: ["PACKS/2"] },
  { name: "first install", template: "empty", command: "install", args: ["PACKS/1"] },
  { name: "upgrade", template: "installed", command: "install", args: ["PACKS/2"] },
  { name: "rollback", template: "upgraded", command: "rollback", args: ["app"] },
  { name: "remove", template: "installed", command: "remove", args: ["app"] },
  { name: "gc", template: "upgraded", command: "gc", args: [], options: { keep: "1" } },
  {
    name: "ns register",
    template: "installed",
    command: "ns register",
    args: ["app"],
    options: { meta: '{"port":8080}' },
  },
  { name: "env set", template: "installed", command: "env set", args: ["app", "NAME=value"] },
  {
    name: "schedule add",
    template: "installed",
    command: "schedule add",
    args: ["app"],
    rest: ["true"],
    options: { name: "tidy", every: "1h" },
  },
  { name: "recovery", template: "interrupted", command: "recover", args: [] },
];

/** What happens to a change at one of its steps. */
export type Fault = "none" | "kill" | "no-space" | "io";
