import { describe, expect, test } from "bun:test";

import { type AuroraError } from "../../src/errors.ts";
import { growthOf } from "../../src/lifecycle/growth.ts";
import { planDocument } from "../../src/lifecycle/plan-document.ts";
import { planActions, type PresentPack, type WantedPack } from "../../src/lifecycle/plan.ts";
import { type Manifest } from "../../src/manifest/schema.ts";

type Mounts = Manifest["pack"]["mounts"];
type Needs = Record<string, string>;

function wanted(
  id: string,
  version: string,
  needs: Needs = {},
  digest = `sha256:${id}-${version}`,
): WantedPack {
  const dependencies = Object.entries(needs).map(([pack_id, version_constraint]) => ({
    pack_id,
    version_constraint,
  }));
  const safety = { operator_approval_required: true };
  const env = { required: [] };
  const net = { connect: [], listen: [], udp: false };
  const permissions = { read: [], write: [], run: [], net, unix: false, env: [] };
  const limits = {};
  const pack = {
    id,
    version,
    dependencies,
    permissions,
    limits,
    mounts: [],
    data: { share: [] },
    env,
    safety,
  };
  return { digest, manifest: { pack } as unknown as Manifest, allowAll: false };
}

const present = (id: string, version: string, needs: Needs = {}, generation = 1): PresentPack => ({
  ...wanted(id, version, needs),
  generation,
});

const kinds = (list: readonly WantedPack[], live: readonly PresentPack[] = []) =>
  planActions(list, live).map(({ action, pack_id }) => `${action} ${pack_id}`);

function errorOf(work: () => unknown): {
  code: string;
  message: string;
  hint: string | undefined;
  diagnostics: string[];
} {
  try {
    work();
  } catch (thrown) {
    const { code, message, hint, diagnostics } = thrown as AuroraError;
    return { code, message, hint, diagnostics: diagnostics.map((diagnostic) => diagnostic.message) };
  }
  throw new Error("nothing was thrown");
}

describe("what is to be done with a pack", () => {
  test.each([
    ["install", [], "1.0.0"],
    ["none", [present("a", "1.0.0")], "1.0.0"],
    ["upgrade", [present("a", "0.9.0")], "1.0.0"],
    ["downgrade", [present("a", "1.10.0")], "1.2.0"],
    ["upgrade", [present("a", "1.0.0-rc.1")], "1.0.0"],
  ])("%s", (action, live, version) => expect(kinds([wanted("a", version)], live)).toEqual([`${action} a`]));

  test("the same version with other content is replaced", () => {
    expect(kinds([wanted("a", "1.0.0", {}, "sha256:other")], [present("a", "1.0.0")])).toEqual(["replace a"]);
  });

  test("the action says what was before", () => {
    expect(planActions([wanted("a", "2.0.0")], [present("a", "1.0.0", {}, 7)])).toEqual([
      {
        action: "upgrade",
        pack_id: "a",
        from_version: "1.0.0",
        to_version: "2.0.0",
        from_digest: "sha256:a-1.0.0",
        from_generation: 7,
        digest: "sha256:a-2.0.0",
        data_of_generation: null,
      },
    ]);
  });
});

describe("order", () => {
  test("dependencies come first, however they are given", () => {
    const packs = [wanted("c", "1.0.0", { b: "*" }), wanted("a", "1.0.0"), wanted("b", "1.0.0", { a: "^1" })];
    expect(kinds(packs)).toEqual(["install a", "install b", "install c"]);
    expect(kinds(packs.toReversed())).toEqual(["install a", "install b", "install c"]);
  });

  test("also over a pack that stays as it is", () => {
    const live = [present("b", "1.0.0", { z: "*" }), present("z", "1.0.0")];
    expect(kinds([wanted("a", "1.0.0", { b: "*" }), wanted("z", "2.0.0")], live)).toEqual([
      "upgrade z",
      "install a",
    ]);
  });

  test("a circle is named", () => {
    const packs = [
      wanted("a", "1.0.0", { b: "*" }),
      wanted("b", "1.0.0", { c: "*" }),
      wanted("c", "1.0.0", { a: "*" }),
    ];
    expect(errorOf(() => planActions(packs, []))).toEqual({
      code: "dependency-cycle",
      message: "cannot order the packs: they depend on each other in a circle: a → b → c → a",
      hint: undefined,
      diagnostics: [],
    });
  });

  test("a chain of 1,000 packs is no problem", () => {
    const chain = Array.from({ length: 1000 }, (_, i) =>
      wanted(`p${i}`, "1.0.0", i === 0 ? {} : { [`p${i - 1}`]: "*" }),
    );
    expect(planActions(chain.toReversed(), []).at(-1)?.pack_id).toBe("p999");
  });
});

describe("dependencies", () => {
  test("a live pack satisfies them", () => {
    expect(kinds([wanted("a", "1.0.0", { b: ">=1.2" })], [present("b", "1.3.0")])).toEqual(["install a"]);
  });

  test("every missing one is named at once", () => {
    expect(errorOf(() => planActions([wanted("a", "1.0.0", { b: ">=1.2", c: "*" })], []))).toEqual({
      code: "dependency-missing",
      message: "cannot plan: 2 dependencies are missing",
      hint: 'give "b", "c" as a source too, or put it into a directory that AURORA_PACKS names',
      diagnostics: ['"a" 1.0.0 needs "b" >=1.2', '"a" 1.0.0 needs "c" *'],
    });
  });

  test("a conflict says who needs what, and what is there", () => {
    expect(
      errorOf(() => planActions([wanted("a", "1.0.0", { b: ">=2.0.0" })], [present("b", "1.3.0")])),
    ).toEqual({
      code: "version-conflict",
      message: "cannot plan: 1 version constraint is not satisfied",
      hint: "give a version of the pack that all of them accept",
      diagnostics: ['"a" 1.0.0 needs "b" >=2.0.0, but 1.3.0 is live'],
    });
  });

  test("an upgrade that a pack in place does not accept is refused", () => {
    const live = [present("a", "1.0.0", { b: "^1" }), present("b", "1.0.0")];
    expect(errorOf(() => planActions([wanted("b", "2.0.0")], live)).diagnostics).toEqual([
      '"a" 1.0.0 needs "b" ^1, but 2.0.0 is to be installed',
    ]);
  });

  test("what was broken before and is not touched is nobody's business now", () => {
    expect(kinds([wanted("x", "1.0.0")], [present("a", "1.0.0", { b: "^1" })])).toEqual(["install x"]);
  });
});

const host = (source: string, mode: "ro" | "rw"): Mounts[number] => ({
  path: "/m",
  type: "host",
  source,
  mode,
});

describe("the plan digest", () => {
  const documentOf = (
    change: {
      live?: PresentPack[];
      kind?: string;
      names?: string[];
      permissions?: object;
      mounts?: Mounts;
      /** Those of the live generation, which is older. */
      liveMounts?: Mounts;
      shares?: Manifest["pack"]["data"]["share"];
      isApprovalAsked?: boolean;
      digest?: string;
      allowAll?: boolean;
      layers?: boolean;
    } = {},
  ) => {
    const pack = wanted("a", "1.0.0", {}, change.digest);
    Object.assign(pack.manifest.pack.permissions, change.permissions);
    pack.manifest.pack.mounts = change.mounts ?? [];
    pack.manifest.pack.data.share = change.shares ?? [];
    pack.manifest.pack.safety.operator_approval_required = change.isApprovalAsked ?? true;
    const before = change.liveMounts ? { ...wanted("a", "0.9.0"), allowAll: false } : undefined;
    if (before) before.manifest.pack.mounts = change.liveMounts ?? [];
    const planned = new Map([
      [
        "a",
        {
          manifest: pack.manifest,
          environmentNames: change.names ?? [],
          allowAll: change.allowAll ?? false,
          grows: growthOf(before, pack.manifest, change.allowAll ?? false),
          confinement: {
            state: "enforced" as const,
            user: null,
            layers: [{ name: "seccomp", enforced: change.layers ?? true, reason: null }],
          },
          files: { added: ["x"], changed: [], removed: [] },
        },
      ],
    ]);
    return planDocument(change.kind ?? "install", planActions([pack], change.live ?? []), planned);
  };

  test("is the same for the same plan", () => expect(documentOf()).toEqual(documentOf()));

  test.each([
    ["the bytes", { digest: "sha256:other" }],
    ["the state before", { live: [present("a", "0.1.0")] }],
    ["the generation before", { live: [present("a", "0.1.0", {}, 2)] }],
    ["the names of variables", { names: ["TOKEN"] }],
    ["the permissions", { permissions: { unix: true } }],
    ["that it runs unconfined", { allowAll: true }],
    ["what confines it", { layers: false }],
    ["the kind of change", { kind: "rollback" }],
    ["the host's directories", { mounts: [host("/srv/a", "ro")] }],
    ["what is shared", { shares: [{ path: "/x", with: ["b"], mode: "ro" as const }] }],
  ])("covers %s", (_name, change) => {
    expect(documentOf(change).plan_digest).not.toBe(documentOf().plan_digest);
  });

  test("two states before that differ only in the generation differ", () => {
    const first = documentOf({ live: [present("a", "0.1.0", {}, 1)] });
    const second = documentOf({ live: [present("a", "0.1.0", {}, 2)] });
    expect(first.plan_digest).not.toBe(second.plan_digest);
  });

  test("files are shown under their pack, and approval is asked for", () => {
    expect(documentOf()).toMatchObject({ approval_required: true, changed: true, files: { added: ["a/x"] } });
  });

  test.each<[string, string[], Mounts, Mounts | undefined]>([
    ["none at all", [], [{ path: "/p", type: "pack" }], undefined],
    ["one that is new", ["read /srv/a", "mount /srv/a at /m"], [host("/srv/a", "ro")], undefined],
    ["one that the live generation has", [], [host("/srv/a", "ro")], [host("/srv/a", "ro")]],
    ["one that becomes read-only", [], [host("/srv/a", "ro")], [host("/srv/a", "rw")]],
    [
      "one that becomes writable",
      ["write /srv/a", "mount /srv/a at /m, writable"],
      [host("/srv/a", "rw")],
      [host("/srv/a", "ro")],
    ],
    ["another one", ["read /srv/b", "mount /srv/b at /m"], [host("/srv/b", "ro")], [host("/srv/a", "ro")]],
    [
      "one of a pack instead of the machine",
      ["mount /srv/a of the data of b at /m"],
      [{ path: "/m", type: "data", pack: "b", source: "/srv/a", mode: "ro" }],
      [host("/srv/a", "ro")],
    ],
  ])("mounts that ask for approval of a pack that needs none: %s", (_name, grows, mounts, liveMounts) => {
    const document = documentOf({ isApprovalAsked: false, mounts, ...(liveMounts ? { liveMounts } : {}) });
    expect(document).toMatchObject({ approval_required: grows.length > 0, permissions: [{ grows }] });
  });

  test("what leads out of a pack is shown", () => {
    const shares = [{ path: "/x", with: ["b"], mode: "rw" as const }];
    expect(documentOf({ mounts: [host("/srv/a", "ro")], shares })).toMatchObject({
      mounts: [{ pack_id: "a", type: "host", path: "/m", from: null, source: "/srv/a", mode: "ro" }],
      shares: [{ pack_id: "a", path: "/x", with: ["b"], mode: "rw" }],
    });
  });

  test("where nothing changes, nothing needs approval", () => {
    expect(documentOf({ live: [present("a", "1.0.0")] })).toMatchObject({
      approval_required: false,
      changed: false,
      files: { added: [] },
    });
  });
});
