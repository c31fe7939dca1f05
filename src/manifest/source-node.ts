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
  return path
    .map((step, i) => (typeof step === "number" ? `[${step}]` : i === 0 ? step : `.${step}`))
    .join("");
}
