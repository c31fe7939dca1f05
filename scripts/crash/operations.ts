/** An operation that is crashed at every point. */
export type Operation = {
  name: string;
  /** What makes the home that it starts from, run once; services stay as they are stopped. */
  prepare: string[][];
  /** Packs that run before each crash. */
  running: string[];
  /** What is crashed; PACKS is the directory of the test packs. */
  argv: string[];
  /** For recovery: what is killed in its middle first, so that there is something to recover. */
  interrupted?: string[];
  /** What is done after it was killed, where that is not to recover: the next change of the kind, which has to keep both. */
  again?: string[];
  /** Too much for the modes that keep every byte which was written, and make each state from them. */
  isLarge?: boolean;
};

export const operations: readonly Operation[] = [
  {
    name: "stage",
    prepare: [["install", "PACKS/alpha-1"]],
    running: ["alpha"],
    argv: ["stage", "PACKS/alpha"],
    again: ["stage", "PACKS/alpha"],
  },
  // By two threads, and flushed all at once.
  { name: "stage large", prepare: [], running: [], argv: ["stage", "PACKS/large"], isLarge: true },
  { name: "install first", prepare: [], running: [], argv: ["install", "PACKS/alpha"] },
  {
    name: "install upgrade",
    prepare: [["install", "PACKS/alpha-1"]],
    running: ["alpha"],
    argv: ["install", "PACKS/alpha"],
  },
  {
    name: "install set of three",
    prepare: [["install", "PACKS/alpha-1"]],
    running: ["alpha"],
    argv: ["install", "PACKS/gamma", "PACKS/alpha", "PACKS/beta"],
  },
  {
    name: "install --confirm-within",
    prepare: [["install", "PACKS/alpha-1"]],
    running: ["alpha"],
    argv: ["install", "PACKS/alpha", "--confirm-within", "1h"],
  },
  {
    name: "confirm",
    prepare: [
      ["install", "PACKS/alpha-1"],
      ["install", "PACKS/alpha", "--confirm-within", "1h"],
    ],
    running: ["alpha"],
    argv: ["confirm", "alpha"],
  },
  {
    name: "activate",
    prepare: [
      ["install", "PACKS/alpha-1"],
      ["install", "PACKS/alpha"],
    ],
    running: ["alpha"],
    argv: ["activate", "alpha", "--generation", "1"],
  },
  {
    name: "rollback",
    prepare: [
      ["install", "PACKS/alpha-1"],
      ["install", "PACKS/alpha"],
    ],
    running: ["alpha"],
    argv: ["rollback", "alpha"],
  },
  { name: "remove", prepare: [["install", "PACKS/alpha-1"]], running: ["alpha"], argv: ["remove", "alpha"] },
  {
    name: "remove --purge",
    prepare: [["install", "PACKS/alpha-1"]],
    running: ["alpha"],
    argv: ["remove", "alpha", "--purge"],
  },
  {
    name: "gc",
    prepare: [
      ["install", "PACKS/alpha-1"],
      ["stage", "PACKS/beta"],
      ["install", "PACKS/alpha"],
      ["remove", "alpha"],
      ["install", "PACKS/alpha"],
    ],
    running: ["alpha"],
    argv: ["gc", "--keep", "1"],
    again: ["gc", "--keep", "1"],
  },
  {
    name: "ns register",
    prepare: [["install", "PACKS/alpha-1", "--no-start"]],
    running: [],
    argv: ["ns", "register", "alpha", "--meta", '{"port":8080}'],
    again: ["ns", "register", "alpha", "--meta", '{"port":8081}'],
  },
  {
    name: "env set",
    prepare: [["install", "PACKS/alpha-1", "--no-start"]],
    running: [],
    argv: ["env", "set", "alpha", "NAME=value"],
    again: ["env", "set", "alpha", "OTHER=value"],
  },
  {
    name: "schedule add",
    prepare: [["install", "PACKS/alpha-1", "--no-start"]],
    running: [],
    argv: ["--no-daemon", "schedule", "add", "alpha", "--name", "tidy", "--every", "1h", "--", "true"],
    again: ["--no-daemon", "schedule", "add", "alpha", "--name", "sweep", "--every", "1h", "--", "true"],
  },
  {
    name: "recover",
    prepare: [["install", "PACKS/alpha-1"]],
    running: ["alpha"],
    interrupted: ["install", "PACKS/alpha"],
    argv: ["recover"],
  },
  {
    name: "recover a rollback",
    prepare: [
      ["install", "PACKS/alpha-1"],
      ["install", "PACKS/alpha"],
    ],
    running: ["alpha"],
    interrupted: ["rollback", "alpha"],
    argv: ["recover"],
  },
];
