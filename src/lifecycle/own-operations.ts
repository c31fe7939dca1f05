import { AuroraError } from "../errors.ts";
import {
  environmentOf,
  type EnvironmentRow,
  setEnvironment,
  unsetEnvironment,
} from "../registry/environment.ts";
import { appendEvent } from "../registry/events.ts";
import {
  namespaceOf,
  type NamespaceRow,
  registerNamespace,
  unregisterNamespace,
} from "../registry/namespaces.ts";
import { knownPackIds } from "../registry/packs.ts";
import { isRecord } from "./channel/protocol.ts";
import { updatePackRecord } from "./generation-record.ts";
import { isForbiddenVariable } from "./pack-environment.ts";
import { unknownPack } from "./unknown-pack.ts";
import { timestamp, type Workspace } from "./workspace.ts";

/** The largest meta that is taken, in bytes of JSON. */
export const MAX_META_BYTES = 64 * 1024;
/** A value longer than this is refused: an environment as a whole may have 2 MiB on Linux (execve(2)). */
export const MAX_VALUE_BYTES = 128 * 1024;
const MAX_VARIABLES = 1000;

/** What may be done with a pack from the command line and, for itself alone, from its confined scripts. */
export type OwnOperation<Params, Result> = {
  /** Whether it changes the home, and so belongs under its lock. */
  isChange: boolean;
  /** Reads what may come from anywhere. Throws `usage`, `too-large`. */
  check: (packId: string, params: Record<string, unknown>) => Params;
  /** The signal aborts when whoever has asked has ended, or the operator stops it all. */
  run: (workspace: Workspace, packId: string, params: Params, signal?: AbortSignal) => Result;
  /**
   * For a change that no transaction takes back, in words: "add the job". It needs no lock, and a script inside a transaction may
   * not make it.
   */
  outside?: (params: Params) => string;
  /** It may take as long as it likes: others do not wait for it. */
  isLong?: boolean;
};

/** What any pack may ask for, by the names that a request says. */
export type OwnOperationTable = Readonly<Record<string, OwnOperation<unknown, unknown>>>;

type RegisterParams = { meta: Record<string, unknown>; ifRevision?: number | undefined };
type VariablesParams = { variables: EnvironmentRow[] };
type NamesParams = { names: string[] };

const register: OwnOperation<RegisterParams, NamespaceRow> = {
  isChange: true,
  check(_packId, { meta, ifRevision }) {
    if (!isRecord(meta)) throw new AuroraError("usage", "cannot register: the meta is not a JSON object");
    if (Buffer.byteLength(JSON.stringify(meta)) > MAX_META_BYTES)
      throw new AuroraError("too-large", `cannot register: --meta has more than ${MAX_META_BYTES} bytes`);
    if (ifRevision === undefined) return { meta };
    if (typeof ifRevision !== "number" || !Number.isSafeInteger(ifRevision) || ifRevision < 0)
      throw new AuroraError("usage", "cannot register: the revision is not a number");
    return { meta, ifRevision };
  },
  run(workspace, packId, { meta, ifRevision }) {
    const { registry } = workspace;
    const at = timestamp(workspace);
    return registry.write(() => {
      const row = registerNamespace(registry, packId, JSON.stringify(meta), at, ifRevision);
      appendEvent(registry, { at, packId, kind: "namespace-registered", detail: { revision: row.revision } });
      return row;
    });
  },
};

const get: OwnOperation<Record<never, never>, NamespaceRow | null> = {
  isChange: false,
  check: () => ({}),
  run: ({ registry }, packId) => namespaceOf(registry, packId) ?? null,
};

const unregister: OwnOperation<Record<never, never>, { pack_id: string; unregistered: boolean }> = {
  isChange: true,
  check: () => ({}),
  run(workspace, packId) {
    const { registry } = workspace;
    return registry.write(() => {
      if (!unregisterNamespace(registry, packId))
        throw new AuroraError("not-found", `"${packId}" has no entry in the namespace registry`, {
          hint: "aurora ns list shows the entries",
        });
      appendEvent(registry, { at: timestamp(workspace), packId, kind: "namespace-unregistered" });
      return { pack_id: packId, unregistered: true };
    });
  },
};

const listVariables: OwnOperation<Record<never, never>, EnvironmentRow[]> = {
  isChange: false,
  check: () => ({}),
  run: ({ registry }, packId) => environmentOf(registry, packId),
};

const setVariables: OwnOperation<VariablesParams, { pack_id: string; set: string[] }> = {
  isChange: true,
  check(packId, { variables }) {
    if (!Array.isArray(variables) || variables.length > MAX_VARIABLES)
      throw new AuroraError("usage", "cannot set variables: they are not a list, or too many");
    return { variables: variables.map((variable: unknown) => checkVariable(packId, variable)) };
  },
  run(workspace, packId, { variables }) {
    const { registry } = workspace;
    const names = variables.map(({ name }) => name);
    // They may be set before an install that needs them; or the id is mistyped.
    if (!knownPackIds(registry).includes(packId)) {
      const { message, hint } = unknownPack(workspace, packId, "is not known here yet");
      workspace.warn(`${message}; ${hint}`);
    }
    registry.write(() => {
      setEnvironment(registry, packId, variables);
      appendEvent(registry, { at: timestamp(workspace), packId, kind: "environment-set", detail: { names } });
    });
    updatePackRecord(workspace, packId);
    return { pack_id: packId, set: names };
  },
};

const unsetVariables: OwnOperation<NamesParams, { pack_id: string; unset: string[] }> = {
  isChange: true,
  check(_packId, { names }) {
    if (
      !Array.isArray(names) ||
      names.length > MAX_VARIABLES ||
      !names.every((name) => typeof name === "string")
    )
      throw new AuroraError("usage", "cannot unset variables: they are not a list of names");
    return { names };
  },
  run(workspace, packId, { names }) {
    const { registry } = workspace;
    registry.write(() => {
      const present = new Set(environmentOf(registry, packId).map(({ name }) => name));
      const missing = names.filter((name) => !present.has(name));
      if (missing.length > 0)
        throw new AuroraError(
          "not-found",
          `${missing.map((name) => `"${name}"`).join(", ")} ${missing.length === 1 ? "is" : "are"} not set for "${packId}"`,
          { hint: `aurora env list ${packId} shows what is` },
        );
      for (const name of names) unsetEnvironment(registry, packId, name);
      const detail = { names };
      appendEvent(registry, { at: timestamp(workspace), packId, kind: "environment-unset", detail });
    });
    updatePackRecord(workspace, packId);
    return { pack_id: packId, unset: names };
  },
};

/** Checks the name of a variable that is to be set. Throws `usage`. */
export function checkVariableName(packId: string, name: string): void {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    throw new AuroraError("usage", `cannot set "${name}": it is no name for a variable`, {
      hint: `aurora env set ${packId} NAME=VALUE`,
    });
  if (isForbiddenVariable(name) || name.startsWith("AURORA_"))
    throw new AuroraError(
      "usage",
      `cannot set "${name}": names that begin with BUN_, LD_, DYLD_ or AURORA_ are not for packs to get`,
    );
}

function checkVariable(packId: string, variable: unknown): EnvironmentRow {
  const { name, value } = isRecord(variable) ? variable : {};
  if (typeof name !== "string" || typeof value !== "string")
    throw new AuroraError("usage", "cannot set variables: each has a name and a value, both text");
  checkVariableName(packId, name);
  if (value.includes("\0"))
    throw new AuroraError("usage", `cannot set "${name}": its value holds a NUL byte`);
  if (Buffer.byteLength(value) > MAX_VALUE_BYTES)
    throw new AuroraError(
      "too-large",
      `cannot set "${name}": its value has more than ${MAX_VALUE_BYTES} bytes`,
    );
  return { name, value };
}

/** By the names that a request says. Each is for one pack, which the request does not name. */
export const ownOperations = {
  "ns get": get,
  "ns register": register,
  "ns unregister": unregister,
  "env list": listVariables,
  "env set": setVariables,
  "env unset": unsetVariables,
};

export type OwnOperations = typeof ownOperations;
