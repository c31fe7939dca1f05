/** A value of a manifest and where it stands. YAML and JSON both become this; aliases are written out. */
export type SourceNode = { start: number; end: number } & (
  | { kind: "scalar"; value: string | number | boolean | null; isPlain: boolean }
  | { kind: "list"; items: SourceNode[] }
  | { kind: "map"; entries: SourceEntry[] }
);

/** One key of a mapping, with its value. Keys are unique: a reader reports the second and drops it. */
export type SourceEntry = { key: string; keyStart: number; keyEnd: number; value: SourceNode };

export type Path = readonly (string | number)[];

/** The node at a path, or undefined where the manifest has none. */
export function nodeAt(root: SourceNode, path: Path): SourceNode | undefined {
  let node: SourceNode | undefined = root;
  for (const step of path) {
    if (node?.kind === "map") node = node.entries.find(({ key }) => key === step)?.value;
    else if (node?.kind === "list" && typeof step === "number") node = node.items[step];
    else return undefined;
  }
  return node;
}

/** The entry whose value is at a path: for faults that concern the key. */
export function entryAt(root: SourceNode, path: Path): SourceEntry | undefined {
  const parent = nodeAt(root, path.slice(0, -1));
  return parent?.kind === "map" ? parent.entries.find(({ key }) => key === path.at(-1)) : undefined;
}

/** The value without its places. Objects have no prototype, so that no key of a manifest can reach one. */
export function plainValue(node: SourceNode): unknown {
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(plainValue);
  const object = Object.create(null) as Record<string, unknown>;
  for (const { key, value } of node.entries) object[key] = plainValue(value);
  return object;
}

/** "pack.mounts[0].type" */
export function pathText(path: Path): string {
  return path.map(stepText).join("");
}

function stepText(step: string | number, index: number): string {
  if (typeof step === "number") return `[${step}]`;
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(step)) return `[${quoted(step)}]`;
  return index === 0 ? step : `.${step}`;
}

const MAX_QUOTED = 60;

/** A text of the manifest in quotes, cut where it is long. What would move the cursor or turn text around is escaped. */
export function quoted(text: string): string {
  const shown = text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text;
  return JSON.stringify(shown).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
